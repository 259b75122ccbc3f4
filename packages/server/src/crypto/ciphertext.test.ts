import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { seeded } from "../../../../test/vectors/seeded.ts";
import { encodeAdditionalData } from "./additional-data.ts";
import { decodeText, encodeText, parseHeader, writeHeader } from "./ciphertext.ts";
import { CIPHERTEXT_OVERHEAD, CommittingCipher } from "./committing-cipher.ts";
import type { OpenedVersion } from "./key-type.ts";
import { RSA_OAEP_SHA256, SUITES } from "./suites.ts";

const version: OpenedVersion = {
  keyId: Buffer.from("00112233445566778899aabbccddeeff", "hex"),
  version: 7,
  key: createSecretKey(Buffer.alloc(32, 5)),
};
const NOTHING = Buffer.alloc(0);
const cipher = new CommittingCipher();
const isDecryptionFailed = (error: unknown): boolean =>
  error instanceof BunkmsError && error.code === "decryption_failed";

test("what was encrypted decrypts again, with the same additional data only", () => {
  const aad = encodeAdditionalData({ kind: "context", entries: { tenant: "a" } });
  for (const length of [0, 1, 15, 16, 17, 1000, 524_288]) {
    const plaintext = Buffer.alloc(length, 9);
    const { ciphertext, nonce, data } = cipher.encrypt(version, plaintext, aad);
    assert.equal(ciphertext.length, length + CIPHERTEXT_OVERHEAD);
    assert.deepEqual(Buffer.concat([nonce, data]), ciphertext.subarray(89));
    assert.deepEqual(cipher.decrypt(version, ciphertext, aad), plaintext);
    assert.deepEqual(new CommittingCipher().decrypt(version, ciphertext, aad), plaintext);
    assert.throws(() => cipher.decrypt(version, ciphertext, NOTHING), isDecryptionFailed);
  }
});

test("REQ-17: of every suite a header is read when the length is one of the suite's, and only then", () => {
  for (const suite of SUITES.values()) {
    for (let length = 0; length < 600; length++) {
      const ciphertext = Buffer.alloc(Math.max(length, 25));
      writeHeader(ciphertext, suite, version);
      const cut = ciphertext.subarray(0, length);
      if (suite.fits(length)) {
        assert.deepEqual(parseHeader(cut), { suite: suite.number, keyId: version.keyId, version: 7 });
      } else {
        assert.throws(() => parseHeader(cut), isDecryptionFailed);
      }
    }
  }
});

test("unknown suites, other magics and version 0 are refused", () => {
  const ciphertext = Buffer.alloc(281);
  writeHeader(ciphertext, RSA_OAEP_SHA256, version);
  let known = 0;
  for (let suite = 0; suite <= 0xffff; suite++) {
    ciphertext.writeUInt16BE(suite, 3);
    if (SUITES.has(suite)) known += 1;
    else assert.throws(() => parseHeader(ciphertext), isDecryptionFailed);
  }
  assert.equal(known, SUITES.size);
  writeHeader(ciphertext, RSA_OAEP_SHA256, { ...version, version: 0 });
  assert.throws(() => parseHeader(ciphertext), isDecryptionFailed);
  writeHeader(ciphertext, RSA_OAEP_SHA256, version);
  for (const at of [0, 1, 2]) {
    const other = Buffer.from(ciphertext);
    other[at] = 0;
    assert.throws(() => parseHeader(other), isDecryptionFailed);
  }
});

test("a ciphertext names its key and version, and its text begins with bkms", () => {
  const { ciphertext } = cipher.encrypt(version, Buffer.from("x"), NOTHING);
  assert.deepEqual(parseHeader(ciphertext), { suite: 0x0478, keyId: version.keyId, version: 7 });
  assert.match(encodeText(ciphertext), /^bkms/);
  assert.deepEqual(decodeText(encodeText(ciphertext)), ciphertext);
});

test("after forgetting a key, its ciphertexts still decrypt when the key is given again", () => {
  const own = new CommittingCipher();
  const { ciphertext } = own.encrypt(version, Buffer.from("x"), NOTHING);
  own.forget(version.keyId);
  assert.equal(own.decrypt(version, ciphertext, NOTHING).toString(), "x");
});

test("REQ-16: encrypting draws a fresh nonce for every message", () => {
  const nonces = new Set<string>();
  for (let i = 0; i < 20_000; i++) nonces.add(cipher.encrypt(version, NOTHING, NOTHING).nonce.toString("latin1"));
  assert.equal(nonces.size, 20_000);
});

/** Ways of writing the same bytes, or nearly, in another text. */
const REWRITINGS: readonly ((text: string, at: number, pick: number) => string)[] = [
  (text) => text.replaceAll("=", ""),
  (text) => `${text}=`,
  (text) => text.replaceAll("+", "-").replaceAll("/", "_"),
  (text, at, pick) =>
    text.slice(0, at) +
    pickOf([" ", "\n", "\r\n", "\t", "\0", "=", "-", "_", ".", "\ufeff", "é"], pick) +
    text.slice(at),
  (text, at, pick) => text.slice(0, at) + pickOf([..."ABCDEFGHabcdefgh0123456789+/"], pick) + text.slice(at),
  (text, at) => text.slice(0, at) + text.slice(at + 1),
  (text, at) => text.slice(0, at) + text.slice(at, at + 1).toLowerCase() + text.slice(at + 1),
  (text, at) => text.slice(0, at) + text.slice(at, at + 1).toUpperCase() + text.slice(at + 1),
  // A full-width letter or digit, that some decoders and normalisers take for the plain one.
  (text, at) => text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) + 0xfee0) + text.slice(at + 1),
  (text, _, pick) => text + pickOf(["A", "AAAA", "AA==", "====", text], pick),
  // Set bits after the last byte, which lenient decoders drop.
  (text, _, pick) =>
    text.replace(
      /([A-Za-z0-9+/])(=+)$/,
      (_all, last: string, padding: string) => nextLetter(last, 1 + (pick % 3)) + padding,
    ),
  // The bytes themselves, longer or with another length, in canonical text.
  (text, _, pick) => Buffer.concat([Buffer.from(text, "base64"), Buffer.alloc(1 + (pick % 20))]).toString("base64"),
  (text, at) => Buffer.concat([Buffer.alloc(1), Buffer.from(text, "base64").subarray(at % 3)]).toString("base64"),
  (text) => Buffer.from(text, "base64").toString("hex"),
];

test("REQ-17: a ciphertext has exactly one text; every other one is refused [10^7 in soak]", {
  timeout: 3_600_000,
}, (t) => {
  const random = seeded();
  const count = process.env.BUNKMS_SOAK === "1" ? 10_000_000 : 100_000;
  // Lengths of all three remainders by 3, so of all three paddings.
  const texts = [0, 1, 2, 50].map((length) =>
    encodeText(cipher.encrypt(version, random.bytes(length), NOTHING).ciphertext),
  );
  let refused = 0;
  for (let i = 0; i < count; i++) {
    const text = texts[random.below(texts.length)] as string;
    const rewrite = REWRITINGS[random.below(REWRITINGS.length)] as (typeof REWRITINGS)[0];
    const other = rewrite(text, random.below(text.length), random.below(1000));
    if (other === text) continue;
    let opened = false;
    try {
      cipher.decrypt(version, decodeText(other), NOTHING);
      opened = true;
    } catch (error) {
      assert.ok(isDecryptionFailed(error), `seed ${random.seed}, round ${i}`);
    }
    assert.ok(!opened, `seed ${random.seed}, round ${i}`);
    refused += 1;
  }
  assert.ok(refused > count / 2);
  t.diagnostic(`seed ${random.seed}: ${refused} of ${count} texts were other ones and were refused`);
});

function pickOf(choices: readonly string[], pick: number): string {
  return choices[pick % choices.length] as string;
}

function nextLetter(letter: string, by: number): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return letters[(letters.indexOf(letter) + by) % 64] as string;
}
