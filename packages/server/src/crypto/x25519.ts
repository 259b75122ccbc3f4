import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { wipe } from "./kdf.ts";
import { randomBytes } from "./random.ts";

// Keys of X25519 (RFC 7748 section 5) in their raw form, as X-Wing and age carry them.

/** A new private key, of the kernel's randomness. */
export function ephemeralX25519(): KeyObject {
  const scalar = randomBytes(32);
  try {
    return privateX25519(scalar);
  } finally {
    wipe(scalar);
  }
}

/** @param scalar 32 bytes, which stay the caller's. */
export function privateX25519(scalar: Buffer): KeyObject {
  return createPrivateKey({ key: scalar, format: "raw-private", asymmetricKeyType: "x25519" });
}

/** @param point 32 bytes. */
export function publicX25519(point: Uint8Array): KeyObject {
  const key = Buffer.from(point.buffer, point.byteOffset, point.byteLength);
  return createPublicKey({ key, format: "raw-public", asymmetricKeyType: "x25519" });
}

/** The 32 bytes of a private key's public key. */
export function publicOf(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ format: "raw-public" });
}
