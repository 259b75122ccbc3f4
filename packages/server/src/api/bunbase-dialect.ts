import type { JsonObject } from "@bufbuild/protobuf";
import { type BunkmsError, ERRORS } from "@bunkms/contract";
import { isJsonObject } from "./strict-json.ts";
import { withoutNulls } from "./sys-dialect.ts";

/**
 * What callers who come with a JWT get besides the contract: they are clients of the BunKMS written in Go, and find the
 * statuses and forms that they know. `docs/bunbase-compatibility.md` lists them.
 */
interface GoCall {
  /** Status for what is not there. */
  readonly missing: 400 | 404;
  /** Brings a body into the contract's form. */
  readonly body?: (json: JsonObject) => JsonObject;
}

const signing = (json: JsonObject): JsonObject =>
  // Its ECDSA signatures are r and s, which is JOSE's form; of an RSA signature that is the only one.
  Object.hasOwn(json, "encoding") ? json : { ...json, encoding: "jose" };

/** The calls that there are, by policy action. */
const GO_CALLS: ReadonlyMap<string, GoCall> = new Map<string, GoCall>([
  ["keys.create", { missing: 400 }],
  ["keys.get", { missing: 404 }],
  ["keys.rotate", { missing: 400 }],
  ["keys.revoke", { missing: 400 }],
  ["keys.encrypt", { missing: 400, body: (json) => oneOf(oneOf(json, "plaintext", true), "aad") }],
  ["keys.decrypt", { missing: 400, body: (json) => oneOf(json, "aad") }],
  ["keys.sign", { missing: 400, body: signing }],
  ["keys.verify", { missing: 400, body: signing }],
  ["secrets.put", { missing: 400, body: (json) => oneOf(json, "value", true) }],
  ["secrets.get", { missing: 404 }],
]);

/** What the Go server says of a signature by a key that is not there, is revoked, or does not sign. */
const NO_SIGNATURE: readonly string[] = ["not_found", "wrong_key_state", "wrong_key_usage"];

/** The body of a JWT caller's request in the contract's form. Members that are `null` are not there, as in Go. */
export function bodyFromGo(action: string, json: unknown): unknown {
  const call = GO_CALLS.get(action);
  if (call === undefined || !isJsonObject(json)) {
    return json;
  }
  const given = withoutNulls(json) as JsonObject;
  return call.body?.(given) ?? given;
}

/** A JWT caller's answer to a refusal. */
export function refusalForGo(
  action: string,
  { code }: BunkmsError,
): { readonly status: number; readonly body?: object } {
  const { http } = ERRORS[code];
  if (code === "unknown_operation" || code === "method_not_allowed") {
    return { status: 404 };
  }
  const call = GO_CALLS.get(action);
  // Who may not call at all, or too often, is told so as ever.
  if (call === undefined || http < 400 || http > 499 || http === 401 || http === 403 || http === 429) {
    return { status: http };
  }
  if (action === "keys.verify" && NO_SIGNATURE.includes(code)) {
    return { status: 200, body: { valid: false, version: 0 } };
  }
  return { status: code === "not_found" ? call.missing : 400 };
}

/** Of a text and its base64 the one that says something, the base64 first, as in Go; the text where neither does. */
function oneOf(json: JsonObject, name: string, isNeeded = false): JsonObject {
  const { [name]: text, [`${name}_b64`]: base64, ...others } = json;
  if (text !== undefined && typeof text !== "string") {
    return json;
  }
  if (base64 !== undefined && base64 !== "") {
    return { ...others, [`${name}_b64`]: base64 };
  }
  return text === undefined && !isNeeded ? others : { ...others, [name]: text ?? "" };
}
