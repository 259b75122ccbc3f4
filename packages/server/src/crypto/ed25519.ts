import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** @param seed Ed25519's private key (RFC 8032 section 5.1.5), 32 bytes, which stay the caller's. */
export function privateEd25519(seed: Uint8Array): KeyObject {
  const key = Buffer.from(seed.buffer, seed.byteOffset, seed.byteLength);
  return createPrivateKey({ key, format: "raw-private", asymmetricKeyType: "ed25519" });
}

/** The 32 bytes of a private key's public key. */
export function publicEd25519(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ format: "raw-public" });
}
