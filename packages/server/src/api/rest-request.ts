import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { BunkmsError, type OperationSpec, overfull } from "@bunkms/contract";
import { isJsonObject } from "./strict-json.ts";

/** Values of path variables, by field name, decoded. */
export type PathValues = ReadonlyMap<string, string>;

/**
 * Makes the request message of a call from its path, its query and its body. Stricter than the JSON mapping of
 * Protobuf: only the names of the contract, only the declared JSON types, base64 only in its one standard form.
 * @throws BunkmsError `invalid_request` that names the field, never its value.
 */
export function requestFromHttp(spec: OperationSpec, path: PathValues, query: string, body: unknown): Message {
  const json: JsonObject = spec.route.hasBody ? { ...bodyObject(body) } : queryObject(spec.method.input, query);
  if (spec.route.hasBody && query !== "") {
    throw new BunkmsError("invalid_request", "this operation takes no query parameters");
  }
  for (const [name, value] of path) {
    if (Object.hasOwn(json, name)) {
      throw new BunkmsError("invalid_request", `${name}: is in the path already`);
    }
    const field = shapeOf(spec.method.input).fields.get(name);
    json[name] = field !== undefined && isUint32(field) ? decimal(name, value) : value;
  }
  checkObject(spec.method.input, json);
  try {
    return fromJson(spec.method.input, json);
  } catch {
    // The library's text may repeat the value, which must reach neither the caller nor the log.
    throw new BunkmsError("invalid_request", "the request does not fit the operation's schema");
  }
}

function bodyObject(body: unknown): JsonObject {
  if (!isJsonObject(body)) {
    throw new BunkmsError("invalid_request", "the body must be a JSON object");
  }
  return body as JsonObject;
}

/** Query parameters as JSON: each at most once, of the types that a query can carry. */
function queryObject(input: DescMessage, query: string): JsonObject {
  const json: JsonObject = {};
  for (const pair of query === "" ? [] : query.split("&")) {
    const at = pair.includes("=") ? pair.indexOf("=") : pair.length;
    const name = decodeQuery(pair.slice(0, at));
    const value = decodeQuery(pair.slice(at + 1));
    const field = shapeOf(input).fields.get(name);
    if (field === undefined || Object.hasOwn(json, name)) {
      throw new BunkmsError("invalid_request", "the query has an unknown or repeated parameter");
    }
    json[name] = isUint32(field) ? decimal(name, value) : value;
  }
  return json;
}

function decimal(name: string, text: string): number {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) {
    throw new BunkmsError("invalid_request", `${name}: must be a whole number`);
  }
  return Number(text);
}

function decodeQuery(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new BunkmsError("invalid_request", "the query is not properly percent-encoded");
  }
}

function checkObject(message: DescMessage, json: JsonObject): void {
  const { fields, oneofs } = shapeOf(message);
  for (const name of Object.keys(json)) {
    const field = fields.get(name);
    const value = json[name] as JsonValue;
    if (field === undefined) {
      throw new BunkmsError("invalid_request", "the request has a field that the operation does not know");
    }
    const tooMuch = overfull(field, value);
    if (tooMuch !== undefined) {
      throw new BunkmsError("invalid_request", tooMuch);
    }
    if (!fits(field, value)) {
      throw new BunkmsError("invalid_request", `${name}: is not ${expected(field)}`);
    }
    if (field.fieldKind === "list" && field.listKind === "message") {
      for (const item of value as JsonObject[]) {
        checkObject(field.message, item);
      }
    }
  }
  for (const names of oneofs) {
    let given = 0;
    for (const name of names) {
      given += Object.hasOwn(json, name) ? 1 : 0;
    }
    if (given > 1) {
      throw new BunkmsError("invalid_request", `give only one of ${names.join(", ")}`);
    }
  }
}

/** What the JSON of a kind of message may have. */
interface Shape {
  /** By the field's name in the contract alone: the JSON mapping's camel-case alias would be a second spelling. */
  readonly fields: ReadonlyMap<string, DescField>;
  /** Names of fields of which one may be given. */
  readonly oneofs: readonly (readonly string[])[];
}

const SHAPES = new WeakMap<DescMessage, Shape>();

function shapeOf(message: DescMessage): Shape {
  let shape = SHAPES.get(message);
  if (shape === undefined) {
    shape = {
      fields: new Map(message.fields.map((field) => [field.name, field])),
      oneofs: message.oneofs.map((oneof) => oneof.fields.map((field) => field.name)),
    };
    SHAPES.set(message, shape);
  }
  return shape;
}

function fits(field: DescField, value: JsonValue): boolean {
  switch (field.fieldKind) {
    case "scalar":
      return fitsScalar(field.scalar, value);
    case "map":
      return isJsonObject(value) && Object.keys(value).every(isText) && Object.values(value).every(isText);
    case "list":
      return Array.isArray(value) && value.every(field.listKind === "message" ? isJsonObject : isText);
    case "message":
      // Timestamps only.
      return isTime(value);
    default:
      return false;
  }
}

function fitsScalar(scalar: ScalarType, value: JsonValue): boolean {
  switch (scalar) {
    case ScalarType.STRING:
      return isText(value);
    case ScalarType.BYTES:
      return typeof value === "string" && Buffer.from(value, "base64").toString("base64") === value;
    case ScalarType.BOOL:
      return typeof value === "boolean";
    case ScalarType.UINT32:
      return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
    default:
      return false;
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.isWellFormed();
}

/** RFC 3339, as the JSON mapping of Protobuf has it. */
function isTime(value: JsonValue): boolean {
  try {
    fromJson(TimestampSchema, value);
    return true;
  } catch {
    return false;
  }
}

function isUint32(field: DescField): boolean {
  return field.fieldKind === "scalar" && field.scalar === ScalarType.UINT32;
}

function expected(field: DescField): string {
  if (field.fieldKind === "scalar") {
    switch (field.scalar) {
      case ScalarType.BYTES:
        return "standard base64 with padding";
      case ScalarType.BOOL:
        return "true or false";
      case ScalarType.UINT32:
        return "a whole number from 0 to 4294967295";
      default:
        return "a text of valid Unicode";
    }
  }
  if (field.fieldKind === "list") {
    return field.listKind === "message" ? "a list of objects" : "a list of texts";
  }
  return field.fieldKind === "map" ? "an object of texts of valid Unicode" : "a time as RFC 3339 has it";
}
