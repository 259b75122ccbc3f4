import { AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH, aeadOpen } from "./aead.ts";
import { failed } from "./ciphertext.ts";
import type { OpenedVersion } from "./key-type.ts";

// Offsets of a ciphertext of the older Go BunKMS (spec/ciphertext.md, "Ciphertexts of the Go BunKMS").
const NONCE_AT = 4;
const DATA_AT = NONCE_AT + AEAD_NONCE_LENGTH;

/** What canonical additional data begin with when they are bytes (additional-data.ts). */
const BYTES = 0x01;

/**
 * Whether a ciphertext can be one of the older Go BunKMS: it begins with the key version, whose first byte is zero below 2^24,
 * where every ciphertext of our own begins with the magic.
 */
export function isLegacy(ciphertext: Uint8Array): boolean {
  return ciphertext.length >= DATA_AT + AEAD_TAG_LENGTH && ciphertext[0] === 0;
}

/** The key version that a legacy ciphertext names. Nothing of it is authenticated. */
export function legacyVersion(ciphertext: Buffer): number {
  return ciphertext.readUInt32BE(0);
}

/**
 * Opens a ciphertext of the older Go BunKMS: AES-256-GCM with the key itself and the caller's bytes as additional data.
 *
 * The version is not authenticated, and the cipher does not commit to the key. That is bearable only because the caller names the
 * key, the version chooses among versions of that one, and all of them are random keys that nobody outside ever had: whoever
 * does not know two of them cannot make bytes that open under both. It would not be for keys that a caller brings. An administrator
 * can bring one as a backup of his own making, and deceive those who trust him with the key; spec/ciphertext.md says so.
 *
 * @param aad The canonical encoding of additional data. An encryption context could not be bound there.
 * @throws BunkmsError `decryption_failed`, whatever is wrong.
 */
export function openLegacy({ key }: OpenedVersion, ciphertext: Buffer, aad: Buffer): Buffer {
  if (aad.length > 0 && aad[0] !== BYTES) throw failed();
  const nonce = ciphertext.subarray(NONCE_AT, DATA_AT);
  const plaintext = aeadOpen("aes-256-gcm", key, nonce, ciphertext.subarray(DATA_AT), [aad.subarray(1)]);
  if (!plaintext) throw failed();
  return plaintext;
}
