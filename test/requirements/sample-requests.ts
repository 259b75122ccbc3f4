import assert from "node:assert/strict";
import type { JsonObject } from "@bufbuild/protobuf";
import type { OperationSpec } from "@bunkms/contract";
import { operationOf, type Transport } from "./operation-call.ts";

/** Names and values that requests are about. */
export interface Objects {
  /** A key for encrypting. */
  readonly key: string;
  readonly signingKey: string;
  readonly secret: string;
  /** A token's id. */
  readonly token: string;
  /** Of `SAMPLE_TEXT` under `key`. */
  readonly ciphertext: string;
  /** Of `SAMPLE_TEXT` by `signingKey`. */
  readonly signature: string;
}

/** What the samples encrypt, sign and store. */
export const SAMPLE_TEXT = "the value that must not leave";

const SAMPLE_BASE64 = Buffer.from(SAMPLE_TEXT).toString("base64");

/** What a request needs beside the names of its resource, by action. */
const EXTRAS = new Map<string, (objects: Objects) => JsonObject>([
  ["keys.encrypt", () => ({ plaintext: SAMPLE_TEXT })],
  ["keys.decrypt", ({ ciphertext }) => ({ ciphertext })],
  ["keys.sign", ({ signingKey }) => ({ name: signingKey, message_b64: SAMPLE_BASE64 })],
  [
    "keys.verify",
    ({ signingKey, signature }) => ({ name: signingKey, message_b64: SAMPLE_BASE64, signature_b64: signature }),
  ],
  ["secrets.put", () => ({ value: SAMPLE_TEXT })],
  ["tokens.create", () => ({ display_name: "sample", role: "reader" })],
  ["audit.list", () => ({ page_size: 1 })],
]);

/**
 * A valid request of the operation about these objects. An operation that needs more than its resource's name gets an
 * entry in the table above; without one the tests that go through all operations see it refused as malformed.
 */
export function sampleRequest({ action, resource }: OperationSpec, objects: Objects): JsonObject {
  const [kind, field] = /^([a-z]+)\/\{([a-z_]+)\}$/.exec(resource)?.slice(1) ?? [];
  const name = ({ key: objects.key, secret: objects.secret, token: objects.token } as Record<string, string>)[
    kind ?? ""
  ];
  assert.ok(resource === "" || (field !== undefined && name !== undefined), `${action}: nobody made a ${resource}`);
  return { ...(field === undefined ? {} : { [field]: name as string }), ...EXTRAS.get(action)?.(objects) };
}

/** Makes one object of each kind. @param prefix Of their names. */
export async function makeObjects(transport: Transport, token: string, prefix: string): Promise<Objects> {
  const call = async (action: string, request: JsonObject): Promise<JsonObject> => {
    const answer = await transport.call(operationOf(action), request, { token });
    assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
    return answer.value;
  };
  const names = { key: `${prefix}-key`, signingKey: `${prefix}-signing-key`, secret: `${prefix}/secret` };
  await call("keys.create", { name: names.key });
  await call("keys.create", { name: names.signingKey, type: "ecdsa-p256" });
  await call("secrets.put", { name: names.secret, value: SAMPLE_TEXT });
  const made = await call("tokens.create", { display_name: `${prefix}-token`, role: "reader" });
  const encrypted = await call("keys.encrypt", { key_name: names.key, plaintext: SAMPLE_TEXT });
  const signed = await call("keys.sign", { name: names.signingKey, message_b64: SAMPLE_BASE64 });
  return {
    ...names,
    token: made["id"] as string,
    ciphertext: encrypted["ciphertext"] as string,
    signature: signed["signature_b64"] as string,
  };
}

/** Objects of the same form that nobody made. */
export function missingObjects(like: Objects): Objects {
  return {
    ...like,
    key: "missing-key",
    signingKey: "missing-signing-key",
    secret: "missing/secret",
    token: "0".repeat(32),
  };
}
