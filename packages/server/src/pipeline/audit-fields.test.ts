import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type OperationSpec, readOperations } from "@bunkms/contract";
import { secretKey } from "../crypto/keys.ts";
import { auditFields, resourceOf } from "./audit-fields.ts";

const KEY = Buffer.alloc(32, 7);
const OPERATIONS = readOperations();
const spec = (action: string): OperationSpec => OPERATIONS.find((each) => each.action === action) as OperationSpec;

/** What is recorded of a request with these members. */
function recorded(action: string, members: object): Record<string, string> {
  const { auditRequest, method } = spec(action);
  return auditFields(auditRequest, create(method.input, members as never), secretKey(KEY));
}

function hashOf(field: string, value: string | Uint8Array): string {
  return `hmac-sha256:${createHmac("sha256", KEY).update(`${field}\0`).update(value).digest("hex")}`;
}

test("what the contract has in clear is recorded as a text, and what has its default value is not", () => {
  const members = { name: "k", type: "aes-256", exportable: true, rotationPeriodSeconds: 3600, description: "private" };
  assert.deepEqual(recorded("keys.create", members), {
    name: "k",
    type: "aes-256",
    exportable: "true",
    rotation_period_seconds: "3600",
  });
  assert.deepEqual(recorded("keys.create", { name: "k", exportable: false, rotationPeriodSeconds: 0 }), { name: "k" });
  assert.deepEqual(recorded("keys.create", {}), {});
});

test("a number of 64 bits is recorded also as 0: the first entry of all is one that can be held", () => {
  assert.deepEqual(recorded("audit.set_hold", { name: "case", from: 0n, until: 5n }), {
    name: "case",
    from: "0",
    until: "5",
  });
});

test("an optional field is recorded whenever it was given: a rotation that is turned off is a 0", () => {
  assert.deepEqual(recorded("keys.update", { name: "k", description: "other" }), { name: "k" });
  assert.deepEqual(recorded("keys.update", { name: "k", rotationPeriodSeconds: 0, minDecryptionVersion: 2 }), {
    name: "k",
    rotation_period_seconds: "0",
    min_decryption_version: "2",
  });
});

test("what the contract has hashed is recorded under the name that it was given by, never in clear", () => {
  const text = { keyName: "k", binding: { case: "aad", value: "row ä" }, version: 3 };
  assert.deepEqual(recorded("keys.encrypt", text), { key_name: "k", aad: hashOf("aad", "row ä"), version: "3" });
  const bytes = { keyName: "k", binding: { case: "aadB64", value: Buffer.of(0, 255) } };
  assert.deepEqual(recorded("keys.encrypt", bytes), { key_name: "k", aad_b64: hashOf("aad_b64", Buffer.of(0, 255)) });
  for (const binding of [{ case: "aad", value: "" }, { case: "aadB64", value: Buffer.of() }, { case: undefined }]) {
    assert.deepEqual(recorded("keys.encrypt", { keyName: "k", binding }), { key_name: "k" });
  }
  assert.deepEqual(recorded("keys.decapsulate", { name: "k", encapsulationB64: Buffer.of(1) }), {
    name: "k",
    encapsulation_b64: hashOf("encapsulation_b64", Buffer.of(1)),
  });
});

test("without a key nothing is hashed, and nothing that is to be hashed is recorded", () => {
  const { auditRequest, method } = spec("keys.encrypt");
  const request = create(method.input, { keyName: "k", binding: { case: "aad", value: "row" } } as never);
  assert.throws(() => auditFields(auditRequest, request, undefined), /to be hashed, and there is no key/);
  const plain = create(method.input, { keyName: "k" } as never);
  assert.deepEqual(auditFields(auditRequest, plain, undefined), { key_name: "k" });
});

test("the resource is the contract's template with the request's fields", () => {
  const resource = (action: string, members: object) =>
    resourceOf(spec(action), create(spec(action).method.input, members as never));
  assert.equal(resource("keys.create", { name: "invoices" }), "key/invoices");
  assert.equal(resource("keys.encrypt", { keyName: "@alias" }), "key/@alias");
  assert.equal(resource("tokens.create", { displayName: "n" }), "");
});
