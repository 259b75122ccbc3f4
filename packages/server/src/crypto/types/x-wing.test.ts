import assert from "node:assert/strict";
import { createPublicKey, createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { hex } from "../../../../../test/vectors/wycheproof.ts";
import type { KeyEncapsulation } from "../key-type.ts";
import { findKeyType } from "../key-types.ts";
import { X_WING_TYPE as TYPE } from "./x-wing.ts";

interface DraftFile {
  readonly vectors: readonly { readonly sk: string; readonly pk: string; readonly ct: string; readonly ss: string }[];
  readonly x509: { readonly private_key: string; readonly public_key: string };
}

const DRAFT = JSON.parse(
  readFileSync(new URL("../../../../../test/vectors/x-wing-draft-10.json", import.meta.url), "utf8"),
) as DraftFile;

const { encapsulate, decapsulate, ciphertextLength } = TYPE.encapsulation as KeyEncapsulation;
const loadPublic = (spki: Uint8Array) => TYPE.loadPublic?.(spki) ?? assert.fail();
const isCode = (code: string) => (error: unknown) => error instanceof BunkmsError && error.code === code;
const fromPem = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ""), "base64");

test("REQ-13: X-Wing makes the draft's keys of its seeds, and opens its ciphertexts", () => {
  for (const { sk, pk, ct, ss } of DRAFT.vectors) {
    const { material, publicKey } = TYPE.accept("raw", hex(sk));
    assert.equal(material.toString("hex"), sk);
    assert.equal(loadPublic(publicKey).export().toString("hex"), pk);
    assert.equal(decapsulate(TYPE.load(material), hex(ct)).toString("hex"), ss);
  }
  // The draft's encapsulations are from seeds, which OpenSSL does not take; that ours open shows that they are right.
  assert.equal(DRAFT.vectors.length, 3);
});

test("REQ-13: X-Wing keys are read and written as the draft's example of use in X.509", () => {
  const taken = TYPE.accept("pkcs8", fromPem(DRAFT.x509.private_key));
  assert.equal(taken.material.toString("hex"), Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString("hex"));
  assert.deepEqual(taken.publicKey, fromPem(DRAFT.x509.public_key));
});

test("what is encapsulated to an X-Wing key is decapsulated by it alone, each time afresh", async () => {
  const { material, publicKey } = await TYPE.generate();
  assert.equal(material.length, 32);
  const one = encapsulate(loadPublic(publicKey));
  const two = encapsulate(loadPublic(publicKey));
  assert.equal(one.sharedSecret.length, 32);
  assert.equal(one.ciphertext.length, 1120);
  assert.notDeepEqual(one.sharedSecret, two.sharedSecret);
  assert.notDeepEqual(one.ciphertext.subarray(1088), two.ciphertext.subarray(1088));
  assert.deepEqual(decapsulate(TYPE.load(material), one.ciphertext), one.sharedSecret);
  const other = TYPE.load((await TYPE.generate()).material);
  assert.notDeepEqual(decapsulate(other, one.ciphertext), one.sharedSecret);
});

test("a change in either part of an X-Wing ciphertext changes the secret; a wrong length or a point of small order fails", async () => {
  const { material, publicKey } = await TYPE.generate();
  const key = TYPE.load(material);
  const { sharedSecret, ciphertext } = encapsulate(loadPublic(publicKey));
  for (const at of [0, 1087, 1088, 1119]) {
    const changed = Buffer.from(ciphertext);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.notDeepEqual(decapsulate(key, changed), sharedSecret, `byte ${at}`);
  }
  const smallOrder = Buffer.from(ciphertext).fill(0, 1088);
  for (const wrong of [
    Buffer.alloc(0),
    ciphertext.subarray(1),
    Buffer.concat([ciphertext, Buffer.of(0)]),
    smallOrder,
  ]) {
    assert.throws(() => decapsulate(key, wrong), isCode("decryption_failed"));
  }
  assert.equal(ciphertext.length, ciphertextLength);
});

test("REQ-19: X-Wing serves no other keys, nor a half for the other's work", async () => {
  const { material, publicKey } = await TYPE.generate();
  assert.throws(() => encapsulate(TYPE.load(material)), isCode("wrong_key_usage"));
  assert.throws(() => decapsulate(loadPublic(publicKey), Buffer.alloc(1120)), isCode("wrong_key_usage"));
  assert.throws(() => decapsulate(createSecretKey(Buffer.alloc(64)), Buffer.alloc(1120)), isCode("wrong_key_usage"));
  // A key of another type with the very same bytes.
  const aes = findKeyType("aes-256")?.load(material) ?? assert.fail();
  const { ciphertext } = encapsulate(loadPublic(publicKey));
  assert.throws(() => decapsulate(aes, ciphertext), isCode("wrong_key_usage"));
  const hmac = findKeyType("hmac-sha256")?.load(loadPublic(publicKey).export().subarray(0, 1024)) ?? assert.fail();
  assert.throws(() => encapsulate(hmac), isCode("wrong_key_usage"));
});

test("an X-Wing key is imported as a seed of 32 bytes or the draft's PKCS#8, and in no other form", async () => {
  const pkcs8 = fromPem(DRAFT.x509.private_key);
  const wrong: [Parameters<typeof TYPE.accept>[0], Buffer][] = [
    ["raw", Buffer.alloc(31)],
    ["raw", Buffer.alloc(33)],
    ["raw", pkcs8],
    ["pkcs8", Buffer.alloc(32)],
    ["pkcs8", Buffer.alloc(0)],
    ["pkcs8", pkcs8.subarray(0, -1)],
    ["pkcs8", Buffer.concat([pkcs8, Buffer.alloc(1)])],
  ];
  for (const [format, material] of wrong) {
    assert.throws(() => TYPE.accept(format, material), isCode("invalid_key_material"));
  }
  const { publicKey } = await TYPE.generate();
  assert.throws(() => loadPublic(publicKey.subarray(0, -1)), /not a key of type/);
  assert.throws(() => TYPE.load(Buffer.alloc(31)), /not a key of type/);
  // OpenSSL does not know the type, which is why it has a form of its own here.
  assert.throws(() => createPublicKey({ key: publicKey, format: "der", type: "spki" }));
});
