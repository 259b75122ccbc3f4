import { AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH, type AeadKey, aeadOpen, aeadSeal } from "./aead.ts";

/** Bytes of a nonce. */
export const GCM_NONCE_LENGTH = AEAD_NONCE_LENGTH;
/** Bytes of a tag. */
export const GCM_TAG_LENGTH = AEAD_TAG_LENGTH;

/** {@link aeadSeal} with AES-256-GCM (NIST SP 800-38D). @param key 32 bytes. */
export function gcmSeal(
  key: AeadKey,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: readonly Uint8Array[],
  into: Uint8Array,
  at: number,
): void {
  aeadSeal("aes-256-gcm", key, nonce, plaintext, aad, into, at);
}

/** {@link aeadOpen} with AES-256-GCM. @param key 32 bytes. */
export function gcmOpen(
  key: AeadKey,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: readonly Uint8Array[],
): Buffer | undefined {
  return aeadOpen("aes-256-gcm", key, nonce, sealed, aad);
}
