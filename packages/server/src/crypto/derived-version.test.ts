import assert from "node:assert/strict";
import { createHash, createHmac, createSecretKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { encodeAdditionalData } from "./additional-data.ts";
import { CommittingCipher } from "./committing-cipher.ts";
import { DerivedKeys } from "./derived-keys.ts";
import { deriveVersion } from "./derived-version.ts";
import type { OpenedVersion } from "./key-type.ts";

const version: OpenedVersion = {
  keyId: Buffer.alloc(16, 0xaa),
  version: 3,
  key: createSecretKey(Buffer.alloc(32, 1)),
};
const tenant = (name: string): Buffer => encodeAdditionalData({ kind: "context", entries: { tenant: name } });
const bytesOf = (of: OpenedVersion): Buffer => of.key.export();

test("REQ-13: a derived key is what RFC 5869 makes of the key, the label and the additional data's SHA-256", () => {
  const aad = tenant("a");
  const info = Buffer.concat([Buffer.from("bunkms derived key v1"), createHash("sha256").update(aad).digest()]);
  const prk = createHmac("sha256", Buffer.alloc(32)).update(Buffer.alloc(32, 1)).digest();
  const okm = createHmac("sha256", prk)
    .update(Buffer.concat([info, Buffer.of(1)]))
    .digest();
  assert.deepEqual(bytesOf(deriveVersion(version, aad)), okm);
  // A derived key is as long as the key that it is derived from.
  const short = deriveVersion({ ...version, key: createSecretKey(Buffer.alloc(16, 1)) }, aad);
  assert.equal(bytesOf(short).length, 16);
});

test("a derived version keeps key id and version; each context has a key of its own, however long it is", () => {
  const contexts = [Buffer.alloc(0), tenant("a"), tenant("b"), tenant("a".repeat(60_000))];
  const derived = contexts.map((aad) => deriveVersion(version, aad));
  for (const of of derived) assert.deepEqual([of.keyId, of.version], [version.keyId, 3]);
  assert.equal(new Set([version, ...derived].map((of) => bytesOf(of).toString("hex"))).size, 5);
  assert.equal(new Set(derived.map((of) => of.scope?.toString("hex"))).size, 4);
  assert.deepEqual(bytesOf(deriveVersion(version, tenant("a"))), bytesOf(deriveVersion(version, tenant("a"))));
});

test("REQ-15: what was encrypted for one tenant decrypts with no other tenant's key, nor with the key itself", () => {
  const cipher = new CommittingCipher();
  const aad = tenant("a");
  const { ciphertext } = cipher.encrypt(deriveVersion(version, aad), Buffer.from("x"), aad);
  assert.equal(cipher.decrypt(deriveVersion(version, aad), ciphertext, aad).toString(), "x");
  assert.equal(new CommittingCipher().decrypt(deriveVersion(version, aad), ciphertext, aad).toString(), "x");
  for (const other of [deriveVersion(version, tenant("b")), version, deriveVersion({ ...version, version: 4 }, aad)]) {
    assert.throws(
      () => cipher.decrypt(other, ciphertext, aad),
      (error) => error instanceof BunkmsError && error.code === "decryption_failed",
    );
  }
});

test("the contexts of one key keep their salts when they take turns", () => {
  const keys = new DerivedKeys();
  const contexts = Array.from({ length: 1000 }, (_, i) => tenant(String(i)));
  const senders = contexts.map((aad) => keys.sender(deriveVersion(version, aad)));
  assert.equal(new Set(senders.map(({ salt }) => salt.toString("hex"))).size, 1000);
  for (const [i, { salt, commitment }] of senders.entries()) {
    const derived = deriveVersion(version, contexts[i] as Buffer);
    assert.equal(keys.sender(derived).salt, salt);
    assert.ok(keys.receiver(derived, salt, commitment));
    assert.equal(keys.receiver(deriveVersion(version, tenant("other")), salt, commitment), undefined);
  }
});

test("REQ-23: forgetting a key drops what was derived for its contexts", () => {
  const keys = new DerivedKeys();
  const derived = deriveVersion(version, tenant("a"));
  const { salt, commitment } = keys.sender(derived);
  const received = keys.receiver(derived, salt, commitment);
  keys.forget(Buffer.alloc(16, 0xbb));
  assert.equal(keys.receiver(derived, salt, commitment), received);
  keys.forget(version.keyId);
  assert.notEqual(keys.sender(derived).salt, salt);
  assert.notEqual(keys.receiver(derived, salt, commitment), received);
});

test("a key pair derives no keys", () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  assert.throws(() => deriveVersion({ ...version, key: privateKey }, Buffer.alloc(0)), TypeError);
});
