import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { dlopen, getRawPointer } from "node:ffi";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { encodeAdditionalData } from "./additional-data.ts";
import { parseHeader } from "./ciphertext.ts";
import type { DataCipher, KeyType, OpenedVersion } from "./key-type.ts";
import { findKeyType } from "./key-types.ts";

const SIZES = [2048, 3072, 4096] as const;
const HASH_LENGTHS: Readonly<Record<string, number>> = { sha256: 32, sha384: 48, sha512: 64, sha1: 20 };
const NOTHING = Buffer.alloc(0);

const row = (size: number): KeyType => findKeyType(`rsa-${size}`) ?? assert.fail("no type");
const ciphersOf = (size: number): readonly DataCipher[] => row(size).ciphers ?? [];
const opened = (key: KeyObject): OpenedVersion => ({ keyId: Buffer.alloc(16, 7), version: 1, key });
const raw = (text: string): Buffer => encodeAdditionalData({ kind: "raw", bytes: Buffer.from(text) });
const isCode = (code: string) => (error: unknown) => error instanceof BunkmsError && error.code === code;

const keys = new Map<number, OpenedVersion>();
for (const size of SIZES) keys.set(size, opened(row(size).load((await row(size).generate()).material)));
const versionOf = (size: number): OpenedVersion => keys.get(size) ?? assert.fail("no key");
const [FIRST] = ciphersOf(2048) as [DataCipher];

test("RSA keys encrypt with SHA-256 unless told otherwise, and offer SHA-1 last", () => {
  for (const size of SIZES) {
    assert.deepEqual(
      ciphersOf(size).map(({ name }) => name),
      ["rsa-oaep-sha256", "rsa-oaep-sha384", "rsa-oaep-sha512", "rsa-oaep-sha1"],
    );
    assert.deepEqual(row(size).purposes, ["sign", "encrypt", "wrap"]);
  }
});

for (const size of SIZES) {
  for (const cipher of ciphersOf(size)) {
    const most = size / 8 - 2 * (HASH_LENGTHS[cipher.name.slice("rsa-oaep-".length)] ?? 0) - 2;

    test(`rsa-${size} decrypts what ${cipher.name} encrypted, with the same label only, up to ${most} bytes`, async () => {
      const version = versionOf(size);
      for (const length of [0, 1, 32, most]) {
        const plaintext = Buffer.alloc(length, 9);
        for (const aad of [NOTHING, raw("invoice 17")]) {
          const { ciphertext, nonce, data } = await cipher.encrypt(version, plaintext, aad);
          assert.deepEqual(parseHeader(ciphertext), { suite: cipher.suite, keyId: version.keyId, version: 1 });
          assert.deepEqual([nonce.length, data], [0, ciphertext.subarray(25)]);
          assert.deepEqual(await cipher.decrypt(version, ciphertext, aad), plaintext);
          assert.deepEqual(await cipher.decryptBare?.(version, data, aad), plaintext);
          await assert.rejects(async () => cipher.decrypt(version, ciphertext, raw("x")), isCode("decryption_failed"));
        }
      }
    });

    test(`rsa-${size} refuses with ${cipher.name} a plaintext of ${most + 1} bytes and names the most`, () => {
      assert.throws(
        () => cipher.encrypt(versionOf(size), Buffer.alloc(most + 1), NOTHING),
        (error) =>
          isCode("plaintext_too_long")(error) && (error as BunkmsError).message.includes(`at most ${most} bytes`),
      );
    });
  }
}

test("encrypting the same twice gives two ciphertexts", async () => {
  const made = await Promise.all([1, 2].map(() => FIRST.encrypt(versionOf(2048), NOTHING, NOTHING)));
  assert.notDeepEqual(made[0]?.data, made[1]?.data);
});

test("REQ-16: each encryption draws its seed from a generator that took fresh state just before", async () => {
  const before = reseedCount();
  await FIRST.encrypt(versionOf(2048), NOTHING, NOTHING);
  await FIRST.encrypt(versionOf(2048), NOTHING, NOTHING);
  assert.equal(reseedCount() - before, 2);
});

test("an encryption context is refused: RSA binds a caller's own bytes only", async () => {
  const context = encodeAdditionalData({ kind: "context", entries: { tenant: "a" } });
  assert.throws(
    () => FIRST.encrypt(versionOf(2048), NOTHING, context),
    (error) => isCode("invalid_request")(error) && (error as BunkmsError).message.includes("use aad instead"),
  );
  const { ciphertext } = await FIRST.encrypt(versionOf(2048), NOTHING, NOTHING);
  await assert.rejects(async () => FIRST.decrypt(versionOf(2048), ciphertext, context), isCode("decryption_failed"));
});

test("REQ-14: every single-bit change of an RSA ciphertext or its label is refused with one and the same error", async (t) => {
  const version = versionOf(2048);
  const aad = raw("invoice 17");
  const failures = new Set<string>();
  let mutations = 0;
  for (const cipher of ciphersOf(2048)) {
    const { ciphertext } = await cipher.encrypt(version, Buffer.from("attack at dawn"), aad);
    const changes = [
      ...Array.from({ length: ciphertext.length * 8 }, (_, bit) => [flipped(ciphertext, bit), aad] as const),
      ...Array.from({ length: aad.length * 8 }, (_, bit) => [ciphertext, flipped(aad, bit)] as const),
      [ciphertext, NOTHING] as const,
    ];
    await Promise.all(
      changes.map(async ([changed, with_]) => {
        await assert.rejects(
          async () => cipher.decrypt(version, changed, with_),
          (error) => {
            assert.ok(error instanceof BunkmsError);
            failures.add(JSON.stringify([error.name, error.code, error.message, error.cause, Object.keys(error)]));
            return true;
          },
        );
        mutations += 1;
      }),
    );
  }
  assert.equal(mutations, 4 * (281 * 8 + 11 * 8 + 1));
  assert.equal(failures.size, 1);
  t.diagnostic(`${mutations} mutations`);
});

test("REQ-17: no cut or longer RSA ciphertext is taken, and no number without its leading zeros", async () => {
  const version = versionOf(2048);
  let made = await FIRST.encrypt(version, Buffer.from("x"), NOTHING);
  // One in 256 begins with a zero byte, which a lenient reader would not miss.
  while (made.data[0] !== 0) made = await FIRST.encrypt(version, Buffer.from("x"), NOTHING);
  const { ciphertext, data } = made;
  const bare = [data.subarray(1), data.subarray(0, -1), Buffer.concat([Buffer.of(0), data]), NOTHING];
  bare.push(Buffer.concat([data, Buffer.of(0)]));
  for (const other of bare) {
    await assert.rejects(async () => FIRST.decryptBare?.(version, other, NOTHING), isCode("decryption_failed"));
    const whole = Buffer.concat([ciphertext.subarray(0, 25), other]);
    await assert.rejects(async () => FIRST.decrypt(version, whole, NOTHING), isCode("decryption_failed"));
  }
});

test("REQ-19: what one hash encrypted, no other hash, size or key decrypts; other keys do not encrypt", async () => {
  for (const maker of ciphersOf(2048)) {
    const { ciphertext, data } = await maker.encrypt(versionOf(2048), Buffer.from("x"), NOTHING);
    for (const reader of ciphersOf(2048)) {
      if (reader === maker) continue;
      await assert.rejects(
        async () => reader.decrypt(versionOf(2048), ciphertext, NOTHING),
        isCode("decryption_failed"),
      );
      await assert.rejects(
        async () => reader.decryptBare?.(versionOf(2048), data, NOTHING),
        isCode("decryption_failed"),
      );
    }
    for (const size of [3072, 4096]) {
      await assert.rejects(
        async () => maker.decrypt(versionOf(size), ciphertext, NOTHING),
        isCode("decryption_failed"),
      );
    }
  }
  const ec = findKeyType("ecdsa-p256") ?? assert.fail("no type");
  const other = opened(ec.load((await ec.generate()).material));
  assert.throws(() => FIRST.encrypt(other, NOTHING, NOTHING), isCode("wrong_key_usage"));
});

test("decrypting with large RSA keys does not hold up the event loop", async () => {
  const [cipher] = ciphersOf(4096) as [DataCipher];
  const { ciphertext } = await cipher.encrypt(versionOf(4096), NOTHING, NOTHING);
  let decrypting = true;
  const settled = Promise.all(
    Array.from({ length: 40 }, () => cipher.decrypt(versionOf(4096), ciphertext, NOTHING)),
  ).then(() => {
    decrypting = false;
  });
  let turns = 0;
  while (decrypting) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    turns += 1;
  }
  await settled;
  // Were they decrypted on this thread, everything would be over in a turn or two.
  assert.ok(turns > 5);
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

const { functions: openssl } = dlopen(null, {
  RAND_get0_primary: { arguments: ["pointer"], return: "pointer" },
  EVP_RAND_CTX_get_params: { arguments: ["pointer", "buffer"], return: "i32" },
});

/** How often OpenSSL's primary generator has taken fresh state. */
function reseedCount(): number {
  const name = Buffer.from("reseed_counter\0");
  const value = Buffer.alloc(4);
  // OSSL_PARAM(3): name, type (2: unsigned integer), data, its size, returned size; the second, empty one ends the array.
  const params = Buffer.alloc(2 * 40);
  params.writeBigUInt64LE(getRawPointer(name), 0);
  params.writeUInt32LE(2, 8);
  params.writeBigUInt64LE(getRawPointer(value), 16);
  params.writeBigUInt64LE(BigInt(value.length), 24);
  assert.equal(openssl.EVP_RAND_CTX_get_params(openssl.RAND_get0_primary(0n), params), 1);
  assert.ok(name.length > 0);
  return value.readUInt32LE();
}
