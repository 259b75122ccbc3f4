import { AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH, type Aead, aeadOpen, aeadSeal } from "./aead.ts";
import { failed, requireHeader, writeHeader } from "./ciphertext.ts";
import { sha256 } from "./hash.ts";
import { equal } from "./kdf.ts";
import type { DataCipher } from "./key-type.ts";
import { fillRandom } from "./random.ts";
import { HEADER_LENGTH, type Suite } from "./suites.ts";

const NONCE_AT = HEADER_LENGTH;
const DATA_AT = NONCE_AT + AEAD_NONCE_LENGTH;

/**
 * What one version of a key may encrypt with random nonces of 12 bytes: among q messages two nonces are equal with a
 * chance below q²/2^97, which is 2^-33 here, within the 2^-32 that NIST SP 800-38D section 8.3 allows. Under a repeated
 * nonce AES-GCM and ChaCha20-Poly1305 (RFC 8439 section 4) reveal plaintexts and let anyone forge.
 */
export const RANDOM_NONCE_BUDGET = 2 ** 32;

/**
 * The same for AES-GCM-SIV, which survives repeated nonces: 2^48 messages of at most 32 MiB each leave an attacker an
 * advantage of 2^-32 (RFC 8452 section 9). The server takes no more than about 1 MiB at once, additional data included.
 */
export const SIV_BUDGET = 2 ** 48;

/**
 * The same for deterministic encryption, where all messages of one context share a nonce, so that GCM-SIV is bounded as
 * a mode without keys of its own per nonce: 2^48 blocks in all (RFC 8452 section 9). The server takes plaintexts of at
 * most 2^15 blocks, so 2^32 messages are 2^47, even if all of them have one context. See spec/ciphertext.md.
 */
export const DETERMINISTIC_BUDGET = 2 ** 32;

const NONCE_LABEL = Buffer.from("bunkms deterministic nonce v1", "ascii");

/** How an AEAD encrypts data. */
interface AeadCipherOptions {
  readonly suite: Suite;
  readonly aead: Aead;
  /** Messages for one version of a key. */
  readonly budget: number;
  /** Makes the nonce of the additional data; absent: it is random. */
  readonly nonceOf?: (aad: Uint8Array) => Uint8Array;
}

/**
 * A cipher that uses the key version's key as it is: header, random nonce, data and tag (spec/ciphertext.md, "Suites b101
 * to b106"). Not key-committing; it exists for interoperability.
 */
export function aeadCipher({ suite, aead, budget, nonceOf }: AeadCipherOptions): DataCipher {
  return Object.freeze<DataCipher>({
    name: suite.cipher,
    suite: suite.number,
    deterministic: nonceOf !== undefined,
    budget,
    encrypt(version, plaintext, aad, drawNonce = fillRandom) {
      const ciphertext = Buffer.allocUnsafeSlow(DATA_AT + plaintext.length + AEAD_TAG_LENGTH);
      writeHeader(ciphertext, suite, version);
      const nonce = ciphertext.subarray(NONCE_AT, DATA_AT);
      // A random one is drawn and used within this one synchronous call, or of a lot; see CommittingCipher for why.
      if (nonceOf) nonce.set(nonceOf(aad));
      else drawNonce(nonce);
      // The header has a fixed length, so header and additional data need no delimiter between them.
      const authenticated = [ciphertext.subarray(0, HEADER_LENGTH), aad];
      aeadSeal(aead, version.key, nonce, plaintext, authenticated, ciphertext, DATA_AT);
      return { ciphertext, nonce, data: ciphertext.subarray(DATA_AT) };
    },
    decrypt(version, ciphertext, aad) {
      requireHeader(ciphertext, suite, version);
      const nonce = ciphertext.subarray(NONCE_AT, DATA_AT);
      // Another nonce would decrypt as well, if a writer with the key had used it. It must not: one byte form only.
      if (nonceOf && !equal(nonce, nonceOf(aad))) throw failed();
      const authenticated = [ciphertext.subarray(0, HEADER_LENGTH), aad];
      const plaintext = aeadOpen(aead, version.key, nonce, ciphertext.subarray(DATA_AT), authenticated);
      if (!plaintext) throw failed();
      return plaintext;
    },
  });
}

/**
 * {@link aeadCipher} with AES-256-GCM-SIV and a nonce that depends on the additional data alone, so that equal plaintexts
 * under equal additional data give equal ciphertexts: for equality search, with keys made for it (spec/ciphertext.md,
 * "Deterministic encryption").
 */
export function deterministicCipher(suite: Suite): DataCipher {
  return aeadCipher({ suite, aead: "aes-256-gcm-siv", budget: DETERMINISTIC_BUDGET, nonceOf });
}

/** The first 12 bytes of SHA-256 over a label and the additional data. */
function nonceOf(aad: Uint8Array): Uint8Array {
  return sha256(NONCE_LABEL, aad).subarray(0, AEAD_NONCE_LENGTH);
}
