import assert from "node:assert/strict";
import { createSecretKey, Decipheriv } from "node:crypto";
import { test } from "node:test";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import { AEAD_TAG_LENGTH, type Aead, aeadOpen, aeadSeal } from "./aead.ts";

interface AeadGroup {
  readonly keySize: number;
  readonly ivSize: number;
  readonly tagSize: number;
  readonly tests: readonly (WycheproofCase & Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag", string>)[];
}

/** What Wycheproof has for each AEAD: its file, the key's bits, and how many cases have our nonce and tag lengths. */
const AEADS: readonly { aead: Aead; file: string; keySize: number; cases: number }[] = [
  { aead: "aes-256-gcm", file: "aes_gcm_test.json", keySize: 256, cases: 66 },
  { aead: "aes-128-gcm", file: "aes_gcm_test.json", keySize: 128, cases: 67 },
  { aead: "aes-256-gcm-siv", file: "aes_gcm_siv_test.json", keySize: 256, cases: 103 },
  { aead: "chacha20-poly1305", file: "chacha20_poly1305_test.json", keySize: 256, cases: 316 },
];

const seal = (aead: Aead, key: Buffer, nonce: Buffer, plaintext: Buffer, aad: readonly Buffer[]): Buffer => {
  const sealed = Buffer.alloc(plaintext.length + AEAD_TAG_LENGTH);
  aeadSeal(aead, createSecretKey(key), nonce, plaintext, aad, sealed, 0);
  return sealed;
};

for (const { aead, file: name, keySize, cases } of AEADS) {
  const key = Buffer.alloc(keySize / 8, 1);
  const nonce = Buffer.alloc(12, 2);

  test(`REQ-13: ${aead} agrees with every Wycheproof vector of its key, nonce and tag lengths`, (t) => {
    const file = readWycheproof<AeadGroup>(name);
    let ran = 0;
    // Other key lengths, nonces that are not 12 bytes, and other tag lengths are not offered.
    let notOffered = 0;
    for (const group of file.testGroups) {
      if (group.keySize !== keySize || group.ivSize !== 96 || group.tagSize !== 128) {
        notOffered += group.tests.length;
        continue;
      }
      for (const of of group.tests) {
        const [theirKey, iv, aad, msg] = [hex(of.key), hex(of.iv), hex(of.aad), hex(of.msg)];
        const opened = aeadOpen(aead, createSecretKey(theirKey), iv, hex(of.ct + of.tag), [aad]);
        assert.equal(opened?.toString("hex"), of.result === "valid" ? of.msg : undefined, `case ${of.tcId}`);
        if (of.result === "valid") assert.equal(seal(aead, theirKey, iv, msg, [aad]).toString("hex"), of.ct + of.tag);
        ran += 1;
      }
    }
    assert.equal(ran + notOffered, file.numberOfTests);
    assert.equal(ran, cases);
    t.diagnostic(`${ran} cases, ${notOffered} of parameters that are not offered`);
  });

  test(`${aead}: parts of the additional data count as joined, empty ones included`, () => {
    const plaintext = Buffer.from("data");
    const of = (...aad: readonly string[]): Buffer =>
      seal(
        aead,
        key,
        nonce,
        plaintext,
        aad.map((part) => Buffer.from(part)),
      );
    assert.deepEqual(of("a", "", "bc"), of("abc"));
    assert.deepEqual(of("abc", ""), of("abc"));
    assert.deepEqual(of("", ""), of());
    assert.notDeepEqual(of("abc"), of());
    for (let length = 0; length < 70; length++) {
      const [header, rest] = ["h".repeat(25), "r".repeat(length)];
      assert.deepEqual(of(header, rest), of(header + rest));
    }
    const opened = aeadOpen(aead, createSecretKey(key), nonce, of("abc"), [Buffer.from("abc"), Buffer.alloc(0)]);
    assert.deepEqual(opened, plaintext);
    assert.equal(aeadOpen(aead, createSecretKey(key), nonce, of("abc"), [Buffer.alloc(0)]), undefined);
  });

  test(`REQ-08: what ${aead} decrypted before a wrong tag was noticed is never handed on, and is zeroed`, (t) => {
    const plaintext = Buffer.alloc(64, "secret");
    const sealed = seal(aead, key, nonce, plaintext, []);
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

    assert.equal(aeadOpen(aead, createSecretKey(key), nonce, sealed, []), undefined);
    // The danger is real: OpenSSL had already yielded bytes; of GCM-SIV, whose counter is the tag, other ones.
    assert.ok(before?.length === 64 && (before.equals(plaintext) || aead === "aes-256-gcm-siv"));
    assert.deepEqual(decrypted, [Buffer.alloc(64)]);
  });
}
