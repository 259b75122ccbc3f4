import assert from "node:assert/strict";
import { createDecipheriv, createHash, createPrivateKey } from "node:crypto";
import { before, test } from "node:test";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";

let calls: TestCalls;

before(async () => {
  calls = await testCalls();
});

const exported = (key_name: string, more = {}) => calls.call("keys.export_plain", { key_name, ...more });
const bytes = (value: unknown): Buffer => Buffer.from(value as string, "base64");

test("a key that was made exportable leaves as it is, and opens what the server encrypted with it", async () => {
  await calls.call("keys.create", { name: "plain", type: "aes-256-gcm", exportable: true });
  const { key_material_b64, ...rest } = await exported("plain");
  assert.deepEqual(rest, { algorithm: "AES-256-GCM", version: 1, format: "raw" });
  const { ciphertext } = await calls.call("keys.encrypt", { key_name: "plain", plaintext: "text" });
  const sealed = bytes(ciphertext);
  const decipher = createDecipheriv("aes-256-gcm", bytes(key_material_b64), sealed.subarray(25, 37));
  decipher.setAuthTag(sealed.subarray(-16));
  // The additional data do not matter to what comes out before the tag is looked at.
  assert.equal(decipher.update(sealed.subarray(37, -16)).toString(), "text");
});

test("the default type is named by the cipher that its bytes are for, and a version can be chosen", async () => {
  await calls.call("keys.create", { name: "project-dek", exportable: true });
  await calls.call("keys.rotate", { name: "project-dek" });
  const [latest, first] = [await exported("project-dek"), await exported("project-dek", { version: 1 })];
  assert.deepEqual([latest["algorithm"], latest["version"], first["version"]], ["AES-256-GCM", 2, 1]);
  assert.equal(bytes(latest["key_material_b64"]).length, 32);
  assert.notEqual(latest["key_material_b64"], first["key_material_b64"]);
});

test("a key pair leaves as PKCS#8", async () => {
  await calls.call("keys.create", { name: "pair", type: "ecdsa-p256", exportable: true });
  const { key_material_b64, algorithm, format } = await exported("pair");
  assert.deepEqual([algorithm, format], ["ECDSA-P256", "pkcs8"]);
  const key = createPrivateKey({ key: bytes(key_material_b64), format: "der", type: "pkcs8" });
  assert.equal(key.asymmetricKeyDetails?.namedCurve, "prime256v1");
});

test("what was not made for it, is not there, or may not be used, does not leave", async () => {
  await calls.call("keys.create", { name: "kept" });
  await calls.call("keys.create", { name: "off", exportable: true });
  await calls.call("keys.disable", { name: "off" });
  const code = (key_name: string, more = {}) => calls.code("keys.export_plain", { key_name, ...more });
  assert.equal(await code("kept"), "wrong_key_usage");
  assert.equal(await code("missing"), "not_found");
  assert.equal(await code("off"), "wrong_key_state");
  assert.equal(await code("project-dek", { version: 9 }), "unknown_version");
  assert.equal(await code("../kept"), "invalid_request");
});

test("without TLS nothing leaves this machine", async () => {
  const from = (source: string, secure: boolean) =>
    calls.code("keys.export_plain", { key_name: "project-dek" }, { source, secure });
  for (const source of ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "", "localhost"]) {
    assert.equal(await from(source, false), "insecure_transport", source);
    assert.equal(await from(source, true), "ok", source);
  }
  for (const source of ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]) {
    assert.equal(await from(source, false), "ok", source);
  }
});

test("each export is recorded as critical, and shows nothing of the key", async () => {
  const { key_material_b64 } = await exported("project-dek");
  await calls.code("keys.export_plain", { key_name: "kept" });
  const { entries } = await calls.call("audit.list", { operation: "keys.export_plain" });
  const [refused, done] = entries as { critical: boolean; outcome: string; resource: string }[];
  assert.deepEqual([done?.critical, done?.outcome, done?.resource], [true, "ok", "key/project-dek"]);
  assert.deepEqual([refused?.critical, refused?.outcome, refused?.resource], [true, "wrong_key_usage", "key/kept"]);
  const text = JSON.stringify(entries);
  assert.ok(!text.includes(key_material_b64 as string));
  assert.ok(!text.includes(createHash("sha256").update(bytes(key_material_b64)).digest("hex")));
  const [created] = (await calls.call("audit.list", { operation: "keys.create" }))["entries"] as {
    critical: boolean;
  }[];
  assert.equal(created?.critical, false);
});
