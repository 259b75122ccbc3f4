import { type CipherGCMTypes, createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { wipe } from "./kdf.ts";

/** AEADs (RFC 5116) by OpenSSL's names, all with a 12-byte nonce and a 16-byte tag. */
export type Aead = "aes-256-gcm" | "aes-128-gcm" | "aes-256-gcm-siv" | "chacha20-poly1305";

/** Bytes of a nonce. For AES-GCM the only length for which the nonce is the counter's start and not hashed into one. */
export const AEAD_NONCE_LENGTH = 12;
/** Bytes of a tag. No shorter one is accepted. */
export const AEAD_TAG_LENGTH = 16;

/** A key of the AEAD's length: a KeyObject, or bytes that the caller wipes at once. */
export type AeadKey = KeyObject | Uint8Array;

/**
 * Seals with AES-GCM (NIST SP 800-38D), AES-256-GCM-SIV (RFC 8452) or ChaCha20-Poly1305 (RFC 8439), with a nonce of the
 * caller, who answers for its never being used twice under this key. Only for GCM-SIV is a repeated one no disaster.
 *
 * @param aad Parts of the additional data, taken as joined: a caller with parts of varying length delimits them.
 * @param into Where the ciphertext and its tag go, from `at` on: as long as the plaintext, and 16 bytes.
 */
export function aeadSeal(
  aead: Aead,
  key: AeadKey,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: readonly Uint8Array[],
  into: Uint8Array,
  at: number,
): void {
  const cipher = createCipheriv(typed(aead), key, nonce, { authTagLength: AEAD_TAG_LENGTH });
  authenticate(cipher, aad);
  // One call: GCM-SIV makes its tag, which is also its counter's start, of the whole plaintext at once.
  into.set(cipher.update(plaintext), at);
  cipher.final();
  into.set(cipher.getAuthTag(), at + plaintext.length);
}

/**
 * Opens what {@link aeadSeal} wrote.
 *
 * @param sealed Ciphertext and tag: at least 16 bytes.
 * @returns The plaintext, which the caller owns; undefined when the tag is wrong.
 */
export function aeadOpen(
  aead: Aead,
  key: AeadKey,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: readonly Uint8Array[],
): Buffer | undefined {
  const end = sealed.length - AEAD_TAG_LENGTH;
  const decipher = createDecipheriv(typed(aead), key, nonce, { authTagLength: AEAD_TAG_LENGTH });
  authenticate(decipher, aad);
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

/** Empty parts are left out: OpenSSL's GCM-SIV takes one as "start again" and forgets the parts before it. */
function authenticate(cipher: { setAAD(part: Uint8Array): unknown }, aad: readonly Uint8Array[]): void {
  for (const part of aad) if (part.length > 0) cipher.setAAD(part);
}

/** The types of `node:crypto` know neither GCM-SIV nor that all AEADs have GCM's methods. */
const typed = (aead: Aead): CipherGCMTypes => aead as CipherGCMTypes;
