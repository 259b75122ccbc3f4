import { BunkmsError } from "@bunkms/contract";
import { GCM_NONCE_LENGTH, GCM_TAG_LENGTH, gcmOpen, gcmSeal } from "./aes-gcm.ts";
import { COMMITMENT_LENGTH, DerivedKeys, SALT_LENGTH, SUITE } from "./derived-keys.ts";
import type { CiphertextHeader, DataCipher, Encrypted, OpenedVersion } from "./key-type.ts";
import { fillRandom } from "./random.ts";

/** Reads "bkms" at the start of the base64 text. */
const MAGIC = Buffer.of(0x6e, 0x49, 0xac);
const KEY_ID_LENGTH = 16;

// Offsets of the header's fields (spec/ciphertext.md, "Layout").
const SUITE_AT = MAGIC.length;
const KEY_ID_AT = SUITE_AT + 2;
const VERSION_AT = KEY_ID_AT + KEY_ID_LENGTH;
const SALT_AT = VERSION_AT + 4;
const COMMITMENT_AT = SALT_AT + SALT_LENGTH;
const NONCE_AT = COMMITMENT_AT + COMMITMENT_LENGTH;
const DATA_AT = NONCE_AT + GCM_NONCE_LENGTH;

/** How many bytes longer than its plaintext a ciphertext is: header and tag. */
export const CIPHERTEXT_OVERHEAD = DATA_AT + GCM_TAG_LENGTH;

/**
 * The data cipher of `aes-256`: AES-256-GCM (NIST SP 800-38D) under a key derived per salt, with a key commitment, as the
 * AWS Encryption SDK specifies for its algorithm suite 0x0478. The bytes are described in spec/ciphertext.md; the
 * argument for the random nonces is in derived-keys.ts.
 *
 * A commitment is needed because AES-GCM alone is not committing: anyone can craft bytes that open under two keys, and
 * here the sender of a ciphertext chooses the key by what the header says.
 */
export class CommittingCipher implements DataCipher {
  readonly name = "aes-256";
  readonly suite = SUITE;
  readonly deterministic = false;
  readonly #derived: DerivedKeys;

  constructor(derived = new DerivedKeys()) {
    this.#derived = derived;
  }

  encrypt(version: OpenedVersion, plaintext: Uint8Array, aad: Uint8Array): Encrypted {
    const sender = this.#derived.sender(version);
    const ciphertext = Buffer.allocUnsafeSlow(CIPHERTEXT_OVERHEAD + plaintext.length);
    ciphertext.set(MAGIC);
    ciphertext.writeUInt16BE(SUITE, SUITE_AT);
    ciphertext.set(version.keyId, KEY_ID_AT);
    ciphertext.writeUInt32BE(version.version, VERSION_AT);
    ciphertext.set(sender.salt, SALT_AT);
    ciphertext.set(sender.commitment, COMMITMENT_AT);
    const nonce = ciphertext.subarray(NONCE_AT, DATA_AT);
    // Drawn and used within this one synchronous call: a clone of the machine made in between holds the same plaintext
    // too, so it makes the same ciphertext and not a second one under the same nonce.
    fillRandom(nonce);
    // The header has a fixed length, so header and additional data need no delimiter between them.
    gcmSeal(sender.key, nonce, plaintext, [ciphertext.subarray(0, DATA_AT), aad], ciphertext, DATA_AT);
    return { ciphertext, nonce, data: ciphertext.subarray(DATA_AT) };
  }

  decrypt(version: OpenedVersion, ciphertext: Uint8Array, aad: Uint8Array): Buffer {
    const header = parseHeader(ciphertext);
    if (!header.keyId.equals(version.keyId) || header.version !== version.version) throw failed();
    const salt = ciphertext.subarray(SALT_AT, COMMITMENT_AT);
    const key = this.#derived.receiver(version, salt, ciphertext.subarray(COMMITMENT_AT, NONCE_AT));
    if (!key) throw failed();
    const nonce = ciphertext.subarray(NONCE_AT, DATA_AT);
    const plaintext = gcmOpen(key, nonce, ciphertext.subarray(DATA_AT), [ciphertext.subarray(0, DATA_AT), aad]);
    if (!plaintext) throw failed();
    return plaintext;
  }

  /** Drops the derived keys of one key, or of all keys (when the vault is sealed). */
  forget(keyId?: Uint8Array): void {
    this.#derived.forget(keyId);
  }
}

/**
 * Reads which key and version a ciphertext names. Nothing of it is authenticated yet.
 *
 * @throws BunkmsError `decryption_failed` for bytes that no version of this format could be.
 */
export function parseHeader(ciphertext: Uint8Array): CiphertextHeader {
  if (ciphertext.length < CIPHERTEXT_OVERHEAD) throw failed();
  const bytes = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
  const version = bytes.readUInt32BE(VERSION_AT);
  if (!bytes.subarray(0, SUITE_AT).equals(MAGIC) || bytes.readUInt16BE(SUITE_AT) !== SUITE || version < 1)
    throw failed();
  return { suite: SUITE, keyId: bytes.subarray(KEY_ID_AT, VERSION_AT), version };
}

/** The text form of a ciphertext: standard base64 with padding (RFC 4648 section 4). */
export function encodeText(ciphertext: Uint8Array): string {
  return Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength).toString("base64");
}

/**
 * Reads the text form. Each ciphertext has exactly one: what does not encode back to the very same text (white space, the
 * URL alphabet, missing padding, set bits after the last byte) is refused.
 *
 * @throws BunkmsError `decryption_failed`
 */
export function decodeText(text: string): Buffer {
  // Node's decoder is lenient and never fails, which is why its answer is encoded again.
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw failed();
  return bytes;
}

const failed = (): BunkmsError => new BunkmsError("decryption_failed");
