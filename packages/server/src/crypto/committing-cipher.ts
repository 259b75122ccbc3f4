import { GCM_NONCE_LENGTH, GCM_TAG_LENGTH, gcmOpen, gcmSeal } from "./aes-gcm.ts";
import { failed, requireHeader, writeHeader } from "./ciphertext.ts";
import { COMMITMENT_LENGTH, DerivedKeys, SALT_LENGTH } from "./derived-keys.ts";
import type { DataCipher, Encrypted, OpenedVersion } from "./key-type.ts";
import type { DrawNonce } from "./nonce-lot.ts";
import { fillRandom } from "./random.ts";
import { COMMITTING, HEADER_LENGTH } from "./suites.ts";

// Offsets of what follows the header (spec/ciphertext.md, "Suite 0478").
const SALT_AT = HEADER_LENGTH;
const COMMITMENT_AT = SALT_AT + SALT_LENGTH;
const NONCE_AT = COMMITMENT_AT + COMMITMENT_LENGTH;
const DATA_AT = NONCE_AT + GCM_NONCE_LENGTH;

/** How many bytes longer than its plaintext a ciphertext of {@link CommittingCipher} is. */
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
  readonly name = COMMITTING.cipher;
  readonly suite = COMMITTING.number;
  readonly deterministic = false;
  readonly #derived: DerivedKeys;

  constructor(derived = new DerivedKeys()) {
    this.#derived = derived;
  }

  encrypt(
    version: OpenedVersion,
    plaintext: Uint8Array,
    aad: Uint8Array,
    drawNonce: DrawNonce = fillRandom,
  ): Encrypted {
    const sender = this.#derived.sender(version);
    const ciphertext = Buffer.allocUnsafe(CIPHERTEXT_OVERHEAD + plaintext.length);
    writeHeader(ciphertext, COMMITTING, version);
    ciphertext.set(sender.salt, SALT_AT);
    ciphertext.set(sender.commitment, COMMITMENT_AT);
    const nonce = ciphertext.subarray(NONCE_AT, DATA_AT);
    // Drawn and used within this one synchronous call, unless it is of a lot (nonce-lot.ts): a clone of the machine made in
    // between holds the same plaintext too, so it makes the same ciphertext and not a second one under the same nonce.
    drawNonce(nonce);
    // What comes before the data has a fixed length, so it needs no delimiter to the additional data.
    gcmSeal(sender.key, nonce, plaintext, [ciphertext.subarray(0, DATA_AT), aad], ciphertext, DATA_AT);
    return { ciphertext, nonce, data: ciphertext.subarray(DATA_AT) };
  }

  decrypt(version: OpenedVersion, ciphertext: Uint8Array, aad: Uint8Array): Buffer {
    requireHeader(ciphertext, COMMITTING, version);
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
