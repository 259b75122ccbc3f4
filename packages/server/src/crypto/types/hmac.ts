import { createHmac, type KeyObject } from "node:crypto";
import type { KeyType } from "../key-type.ts";
import { secretKeyOf } from "./secret-key.ts";

/**
 * The shortest and the longest key that can be imported, in bytes.
 *
 * 16 bytes are 128 bits, the strength that the other types have at least; NIST SP 800-131A section 10 would allow 112
 * bits, but what is shorter is rather a password than a key. HMAC hashes a key that is longer than the hash's block (at
 * most 144 bytes here) down to the hash's length (FIPS 198-1 section 4), so that a longer one gains nothing; old systems
 * have such keys all the same.
 */
export const HMAC_KEY_BYTES = Object.freeze({ shortest: 16, longest: 1024 });

/** Codes by HMAC (FIPS 198-1) with SHA-2 (FIPS 180-4) and SHA-3 (FIPS 202). Codes are never truncated. */
export const HMAC_TYPES: readonly KeyType[] = [
  hmac("sha224", 28),
  hmac("sha256", 32),
  hmac("sha384", 48),
  hmac("sha512", 64),
  hmac("sha3-224", 28),
  hmac("sha3-256", 32),
  hmac("sha3-384", 48),
  hmac("sha3-512", 64),
];

/** @param length Bytes of the hash's output, of the code, and of a generated key (RFC 2104 section 3). */
function hmac(hash: string, length: number): KeyType {
  const name = `hmac-${hash}`;
  return {
    name,
    standard: hash.startsWith("sha3-") ? "FIPS 198-1, FIPS 202" : "FIPS 198-1, FIPS 180-4",
    purposes: ["mac"],
    ...secretKeyOf(name, HMAC_KEY_BYTES.shortest, HMAC_KEY_BYTES.longest),
    generate: secretKeyOf(name, length).generate,
    derivable: true,
    mac: Object.freeze({
      name,
      length,
      make: (key: KeyObject, message: Uint8Array) => createHmac(hash, key).update(message).digest(),
    }),
  };
}
