import { createHmac, createSecretKey, type Hmac, hkdfSync, type KeyObject, timingSafeEqual } from "node:crypto";

const NO_SALT = new Uint8Array(0);

/**
 * Derives a 32-byte key with HKDF-SHA-256 (RFC 5869).
 *
 * @param ikm A secret key of full entropy.
 * @param label Goes into HKDF's `info` as UTF-8. Each use of a key has its own label, so that no two uses share a key.
 * @param salt Optional, as RFC 5869 section 3.1 allows for input that is itself a key.
 */
export function deriveKey(ikm: KeyObject, label: string, salt: Uint8Array = NO_SALT): KeyObject {
  const bytes = new Uint8Array(hkdfSync("sha256", ikm, salt, label, 32));
  try {
    return createSecretKey(bytes);
  } finally {
    wipe(bytes);
  }
}

/**
 * HMAC-SHA-256 (FIPS 198-1, RFC 2104) of the parts joined, 32 bytes; texts count as UTF-8. The parts are not delimited: a
 * caller whose parts vary in length writes their lengths as parts.
 */
export function mac(key: KeyObject, ...parts: readonly (Uint8Array | string)[]): Buffer {
  return macOf(key, parts).digest();
}

/** As `mac`, in 64 hexadecimal digits. */
export function macHex(key: KeyObject, ...parts: readonly (Uint8Array | string)[]): string {
  return macOf(key, parts).digest("hex");
}

function macOf(key: KeyObject, parts: readonly (Uint8Array | string)[]): Hmac {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac;
}

/** Compares in time that depends on the lengths alone. Unequal lengths are unequal; lengths are not secret here. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Zeroes buffers that held secrets and that the caller owns. The runtime may have copied or moved what was in strings,
 * which is why secrets never are; Buffer memory lies outside the moving heap.
 */
export function wipe(...buffers: readonly Uint8Array[]): void {
  for (const buffer of buffers) buffer.fill(0);
}
