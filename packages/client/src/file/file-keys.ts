import { createHash, createSecretKey, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from "node:crypto";

/** Length of a data key, of what is derived from it, and of a salt. */
export const KEY_LENGTH = 32;

const COMMITMENT_INFO = "bunkms file v1 commitment";
const PAYLOAD_INFO = "bunkms file v1 payload";

/** A new salt: 32 random bytes. */
export function newSalt(): Buffer {
  return randomBytes(KEY_LENGTH);
}

/** SHA-256 (FIPS 180-4), 32 bytes. */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/**
 * What binds a file to one data key: HKDF-SHA-256 (RFC 5869), 32 bytes (spec/file.md, "Keys"). It reveals nothing of the
 * payload key, which is an independent output.
 */
export function deriveCommitment(dataKey: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", dataKey, salt, COMMITMENT_INFO, KEY_LENGTH));
}

/** Compares commitments of 32 bytes in constant time. */
export function isSameCommitment(one: Uint8Array, other: Uint8Array): boolean {
  return timingSafeEqual(one, other);
}

/**
 * The key of a file's segments: HKDF-SHA-256 (RFC 5869) of data key, salt and the header's digest (spec/file.md, "Keys").
 * Under another header it is another key.
 */
export function derivePayloadKey(dataKey: Uint8Array, salt: Uint8Array, digest: Uint8Array): KeyObject {
  const info = Buffer.concat([Buffer.from(PAYLOAD_INFO), digest]);
  const derived = new Uint8Array(hkdfSync("sha256", dataKey, salt, info, KEY_LENGTH));
  try {
    return createSecretKey(derived);
  } finally {
    derived.fill(0);
  }
}
