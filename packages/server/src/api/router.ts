import { BunkmsError, type OperationSpec, type PathSegment } from "@bunkms/contract";
import type { PathValues } from "./rest-request.ts";

/** What a path leads to. */
export interface Route {
  readonly operation: OperationSpec | BunkmsError;
  readonly path: PathValues;
  /** Methods that the path has, for a 405's Allow. */
  readonly allow: readonly string[];
}

const NO_VALUES: PathValues = new Map();

/**
 * Finds operations by the path templates of the contract (google.api.http). Segments are split first and decoded once
 * after, so that an encoded slash never makes two segments of one; a variable of the rest (`{name=**}`) takes the
 * decoded segments joined. What the handler and the policy get is this one decoded value, and the contract's rule for
 * names, checked later, lets no `.`, `..`, empty segment or control character pass.
 */
export class Router {
  /** By the fixed text that templates begin with. */
  readonly #families: ReadonlyMap<string, readonly OperationSpec[]>;

  constructor(specs: readonly OperationSpec[]) {
    // Fixed text before variables: /v1/tokens/self is not /v1/tokens/{id}.
    const sorted = specs.toSorted((a, b) => variables(a) - variables(b));
    this.#families = Map.groupBy(sorted, ({ route }) => familyOf(route.segments.slice(0, 2).map(fixedText)));
  }

  find(method: string, rawPath: string): Route {
    const segments = decodeSegments(rawPath);
    if (segments === undefined) {
      return { operation: new BunkmsError("unknown_operation"), path: NO_VALUES, allow: [] };
    }
    const allow: string[] = [];
    let template: string | undefined;
    for (const spec of this.#families.get(familyOf(segments)) ?? []) {
      const path = match(spec, segments);
      // The first template that fits is the path's only one, as OpenAPI has it: concrete before templated.
      template ??= path && spec.route.template;
      if (path !== undefined && spec.route.template === template) {
        const methods = [spec.route.method, spec.route.otherMethod].filter((known) => known !== undefined);
        if (methods.some((known) => known === method)) {
          return { operation: spec, path, allow: [] };
        }
        allow.push(...methods);
      }
    }
    const code = allow.length > 0 ? "method_not_allowed" : "unknown_operation";
    return { operation: new BunkmsError(code), path: NO_VALUES, allow };
  }
}

function variables(spec: OperationSpec): number {
  return spec.route.segments.filter((segment) => segment.kind !== "text").length;
}

/** The first two segments: which operations a path can lead to at all. */
function familyOf([first = "", second = ""]: readonly string[]): string {
  return `${first}/${second}`;
}

/** Of one of the first two segments. @throws Error for a variable: the router looks for text there. */
function fixedText(segment: PathSegment): string {
  if (segment.kind !== "text") {
    throw new Error("a path template begins with two segments of fixed text, or is one");
  }
  return segment.text;
}

function match(spec: OperationSpec, segments: readonly string[]): PathValues | undefined {
  const pattern = spec.route.segments;
  const hasRest = pattern.at(-1)?.kind === "rest";
  if (hasRest ? segments.length < pattern.length : segments.length !== pattern.length) {
    return undefined;
  }
  if (pattern.some((part, i) => part.kind === "text" && part.text !== segments[i])) {
    return undefined;
  }
  const values = new Map<string, string>();
  for (const [i, part] of pattern.entries()) {
    if (part.kind !== "text") {
      values.set(part.field.name, part.kind === "one" ? (segments[i] as string) : segments.slice(i).join("/"));
    }
  }
  return values;
}

/** The path's segments, decoded; undefined for a path that is none: no leading slash, an empty segment, bad encoding. */
function decodeSegments(rawPath: string): readonly string[] | undefined {
  if (!rawPath.startsWith("/") || rawPath.length > 4096) {
    return undefined;
  }
  const segments = rawPath.slice(1).split("/");
  if (segments.includes("")) {
    return undefined;
  }
  if (!rawPath.includes("%")) {
    return segments;
  }
  try {
    return segments.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
