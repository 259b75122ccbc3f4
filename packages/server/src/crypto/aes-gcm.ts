import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { wipe } from "./kdf.ts";

/** Bytes of a nonce: the only length for which the nonce is the counter's start and not hashed into one. */
export const GCM_NONCE_LENGTH = 12;
/** Bytes of a tag. No shorter one is accepted. */
export const GCM_TAG_LENGTH = 16;

/** A 32-byte key: a KeyObject, or bytes that the caller wipes at once. */
type Key = KeyObject | Uint8Array;

/**
 * AES-256-GCM (NIST SP 800-38D) with a nonce of the caller, who answers for its never being used twice under this key.
 *
 * @param aad Parts of the additional data, taken as joined: a caller with parts of varying length delimits them.
 * @param into Where the ciphertext and its tag go, from `at` on: as long as the plaintext, and 16 bytes.
 */
export function gcmSeal(
  key: Key,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: readonly Uint8Array[],
  into: Uint8Array,
  at: number,
): void {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  for (const part of aad) cipher.setAAD(part);
  into.set(cipher.update(plaintext), at);
  cipher.final();
  into.set(cipher.getAuthTag(), at + plaintext.length);
}

/**
 * Opens what {@link gcmSeal} wrote.
 *
 * @param sealed Ciphertext and tag: at least 16 bytes.
 * @returns The plaintext, which the caller owns; undefined when the tag is wrong.
 */
export function gcmOpen(
  key: Key,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: readonly Uint8Array[],
): Buffer | undefined {
  const end = sealed.length - GCM_TAG_LENGTH;
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: GCM_TAG_LENGTH });
  for (const part of aad) decipher.setAAD(part);
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(0, end));
  try {
    // Only now is the tag compared. Until here the plaintext is whatever an attacker wants it to be, and stays here.
    decipher.final();
    return plaintext;
  } catch {
    wipe(plaintext);
    return undefined;
  }
}
