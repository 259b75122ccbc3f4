import assert from "node:assert/strict";
import { createSecretKey, Decipheriv } from "node:crypto";
import { test } from "node:test";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import { GCM_TAG_LENGTH, gcmOpen, gcmSeal } from "./aes-gcm.ts";

interface AeadGroup {
  readonly keySize: number;
  readonly ivSize: number;
  readonly tagSize: number;
  readonly tests: readonly (WycheproofCase & Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag", string>)[];
}

const seal = (key: Buffer, nonce: Buffer, plaintext: Buffer, aad: readonly Buffer[]): Buffer => {
  const sealed = Buffer.alloc(plaintext.length + GCM_TAG_LENGTH);
  gcmSeal(createSecretKey(key), nonce, plaintext, aad, sealed, 0);
  return sealed;
};

test("REQ-13: AES-256-GCM agrees with every Wycheproof vector of its key, nonce and tag lengths", (t) => {
  const file = readWycheproof<AeadGroup>("aes_gcm_test.json");
  let ran = 0;
  // Other key lengths, nonces that are not 12 bytes, and other tag lengths are not offered.
  let notOffered = 0;
  for (const { keySize, ivSize, tagSize, tests } of file.testGroups) {
    if (keySize !== 256 || ivSize !== 96 || tagSize !== 128) {
      notOffered += tests.length;
      continue;
    }
    for (const { key, iv, aad, msg, ct, tag, result, tcId } of tests) {
      const opened = gcmOpen(createSecretKey(hex(key)), hex(iv), hex(ct + tag), [hex(aad)]);
      assert.equal(opened?.toString("hex"), result === "valid" ? msg : undefined, `case ${tcId}`);
      if (result === "valid") assert.equal(seal(hex(key), hex(iv), hex(msg), [hex(aad)]).toString("hex"), ct + tag);
      ran += 1;
    }
  }
  assert.equal(ran + notOffered, file.numberOfTests);
  assert.equal(ran, 66);
  t.diagnostic(`${ran} cases, ${notOffered} of parameters that are not offered`);
});

test("parts of the additional data count as joined, empty ones included", () => {
  const [key, nonce, plaintext] = [Buffer.alloc(32, 1), Buffer.alloc(12, 2), Buffer.from("data")];
  const joined = seal(key, nonce, plaintext, [Buffer.from("abc")]);
  assert.deepEqual(seal(key, nonce, plaintext, [Buffer.from("a"), Buffer.alloc(0), Buffer.from("bc")]), joined);
  assert.deepEqual(seal(key, nonce, plaintext, [Buffer.alloc(0), Buffer.alloc(0)]), seal(key, nonce, plaintext, []));
});

test("REQ-08: what was decrypted before a wrong tag was noticed is never handed on, and is zeroed", (t) => {
  const [key, nonce, plaintext] = [Buffer.alloc(32, 1), Buffer.alloc(12, 2), Buffer.alloc(64, "secret")];
  const sealed = seal(key, nonce, plaintext, []);
  sealed[sealed.length - 1] = (sealed[sealed.length - 1] ?? 0) ^ 1;

  const update: (this: Decipheriv, data: Uint8Array) => Buffer = Decipheriv.prototype.update;
  const decrypted: Buffer[] = [];
  let before: Buffer | undefined;
  t.mock.method(Decipheriv.prototype, "update", function (this: Decipheriv, data: Uint8Array) {
    const bytes = update.call(this, data);
    before = Buffer.from(bytes);
    decrypted.push(bytes);
    return bytes;
  });

  assert.equal(gcmOpen(createSecretKey(key), nonce, sealed, []), undefined);
  // The danger is real: OpenSSL had already yielded the plaintext.
  assert.deepEqual(before, plaintext);
  assert.deepEqual(decrypted, [Buffer.alloc(64)]);
});
