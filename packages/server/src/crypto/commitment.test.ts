import assert from "node:assert/strict";
import { createCipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { gcmOpen } from "./aes-gcm.ts";
import { CommittingCipher } from "./ciphertext.ts";
import { derive } from "./derived-keys.ts";
import type { OpenedVersion } from "./key-type.ts";

// The attack that commitment is for (Dodis, Grubbs, Ristenpart, Woodage, CRYPTO 2018; "partitioning oracles", USENIX
// Security 2021): one AES-GCM ciphertext, built by somebody who knows two keys, that is authentic under both.

const KEY_ID = Buffer.alloc(16, 0xaa);
const version = (fill: number): OpenedVersion => ({
  keyId: KEY_ID,
  version: 1,
  key: createSecretKey(Buffer.alloc(32, fill)),
});
const [ALICE, BOB] = [version(1), version(2)];
const NOTHING = Buffer.alloc(0);

test("REQ-18: a ciphertext crafted to be authentic under two keys opens under the one that it commits to, and no other", () => {
  // A real message of Alice's gives the header; its one block of data is then replaced.
  const crafted = new CommittingCipher().encrypt(ALICE, Buffer.alloc(16), NOTHING).ciphertext;
  const [header, nonce, salt] = [crafted.subarray(0, 101), crafted.subarray(89, 101), crafted.subarray(25, 57)];
  const keys = [derive(ALICE.key, salt).key, derive(BOB.key, salt).key] as const;
  crafted.set(collide(keys, nonce, header), 101);

  // AES-GCM itself takes it under both keys, so the tag is no protection.
  assert.ok(gcmOpen(keys[0], nonce, crafted.subarray(101), [header]));
  assert.ok(gcmOpen(keys[1], nonce, crafted.subarray(101), [header]));

  assert.equal(new CommittingCipher().decrypt(ALICE, crafted, NOTHING).length, 16);
  assert.throws(
    () => new CommittingCipher().decrypt(BOB, crafted, NOTHING),
    (error) => error instanceof BunkmsError && error.code === "decryption_failed",
  );
});

test("REQ-18: two keys never have one commitment under one salt, and neither do two salts of one key", () => {
  const commitments = new Set<string>();
  for (let fill = 0; fill < 1000; fill++) {
    const salt = Buffer.alloc(32, fill % 250);
    commitments.add(derive(createSecretKey(Buffer.alloc(32, Math.floor(fill / 250))), salt).commitment.toString("hex"));
  }
  assert.equal(commitments.size, 1000);
});

/** One block of ciphertext and the tag that it has under both keys, for this nonce and additional data. */
function collide(keys: readonly [KeyObject, KeyObject], nonce: Buffer, aad: Buffer): Buffer {
  // tag = E(nonce, 1) + a₁·h^(m+2) + … + aₘ·h^3 + c·h² + lengths·h: equal for both keys, this is linear in the block c.
  const lengths = Buffer.alloc(16);
  lengths.writeUInt32BE(aad.length * 8, 4);
  lengths.writeUInt32BE(16 * 8, 12);
  const sides = keys.map((key) => {
    const h = element(block(key, Buffer.alloc(16)));
    let sum = 0n;
    for (let at = 0; at < aad.length; at += 16) {
      sum = multiply(sum ^ element(Buffer.concat([aad.subarray(at, at + 16), Buffer.alloc(16)]).subarray(0, 16)), h);
    }
    const square = multiply(h, h);
    const mask = element(block(key, Buffer.concat([nonce, Buffer.of(0, 0, 0, 1)])));
    return { square, rest: multiply(sum, square) ^ multiply(element(lengths), h) ^ mask };
  });
  const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const c = multiply(a.rest ^ b.rest, inverse(a.square ^ b.square));
  return Buffer.concat([bytes(c), bytes(multiply(c, a.square) ^ a.rest)]);
}

const block = (key: KeyObject, input: Buffer): Buffer =>
  createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(input);

// GF(2^128) as NIST SP 800-38D section 6.3 has it: the first bit of a block is the coefficient of x^0.
const element = (of: Buffer): bigint => BigInt(`0x${of.toString("hex")}`);
const bytes = (of: bigint): Buffer => Buffer.from(of.toString(16).padStart(32, "0"), "hex");

function multiply(x: bigint, y: bigint): bigint {
  let product = 0n;
  let shifted = y;
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ (0xe1n << 120n) : shifted >> 1n;
  }
  return product;
}

/** x^(2^128 - 2), by Fermat. */
function inverse(x: bigint): bigint {
  let power = x;
  let result = 1n << 127n;
  for (let i = 1; i < 128; i++) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}
