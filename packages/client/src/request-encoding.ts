import { type DescMessage, type JsonValue, type Message, ScalarType, toJson } from "@bufbuild/protobuf";
import type { HttpRoute, PathSegment } from "@bunkms/contract";
import { RequestError } from "./errors.ts";

/** A request as HTTP takes it. */
export interface EncodedRequest {
  /** Absolute path, percent-encoded, with its query. */
  readonly path: string;
  /** JSON text, when the operation has a body. */
  readonly body: string | undefined;
}

/**
 * Spreads a request message over path, query and body, as google.api.http says: the path's fields first, the rest in
 * the body or, when the operation has none, in the query.
 * @throws RequestError when a path field is empty or would climb in the path.
 */
export function encodeRequest(route: HttpRoute, schema: DescMessage, message: Message): EncodedRequest {
  const fields = toJson(schema, message, { useProtoFieldName: true }) as { [name: string]: JsonValue };
  const path = route.segments.map((segment) => `/${encodeSegment(segment, fields)}`).join("");
  const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !isInPath(route, name)));
  if (route.hasBody) {
    return { path, body: JSON.stringify(rest) };
  }
  const query = encodeQuery(rest);
  return { path: query === "" ? path : `${path}?${query}`, body: undefined };
}

function isInPath(route: HttpRoute, name: string): boolean {
  return route.segments.some((segment) => segment.kind !== "text" && segment.field.name === name);
}

function encodeSegment(segment: PathSegment, fields: { readonly [name: string]: JsonValue }): string {
  if (segment.kind === "text") {
    return segment.text;
  }
  const { name } = segment.field;
  // JSON leaves out a number that is 0, which in a path is one like any other.
  const isNumber = segment.field.fieldKind === "scalar" && segment.field.scalar !== ScalarType.STRING;
  const value = fields[name] ?? (isNumber ? 0 : "");
  const parts = segment.kind === "rest" ? String(value).split("/") : [String(value)];
  // URL parsers resolve `.` and `..` even when they are percent-encoded, so such a request would reach another path.
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new RequestError(`${name} must not be empty, and none of its segments may be empty, "." or ".."`);
  }
  return parts.map(encodePart).join("/");
}

function encodePart(part: string): string {
  if (!part.isWellFormed()) {
    throw new RequestError("a name in the path is not well-formed Unicode");
  }
  return encodeURIComponent(part);
}

function encodeQuery(fields: { readonly [name: string]: JsonValue }): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item === "object") {
        throw new RequestError(`${name} cannot be a query parameter`);
      }
      query.append(name, String(item));
    }
  }
  return query.toString();
}
