import { constants, type KeyObject, publicEncrypt, subtle, type webcrypto } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { failed, requireHeader, writeHeader } from "./ciphertext.ts";
import type { DataCipher } from "./key-type.ts";
import { inPool } from "./pool.ts";
import { reseedOpenssl } from "./random.ts";
import {
  HEADER_LENGTH,
  RSA_OAEP_SHA1,
  RSA_OAEP_SHA256,
  RSA_OAEP_SHA384,
  RSA_OAEP_SHA512,
  type Suite,
} from "./suites.ts";

const NOTHING = Buffer.alloc(0);
/** The first byte of additional data that is a caller's own bytes (spec/ciphertext.md, "Additional data"). */
const RAW = 0x01;

/** A hash for OAEP, by OpenSSL's name and by that of WebCrypto. */
interface Hash {
  readonly openssl: string;
  readonly webcrypto: string;
  /** Bytes of its output (FIPS 180-4). */
  readonly length: number;
}

/**
 * RSAES-OAEP (RFC 8017 section 7.1). MGF1 uses the same hash; the label is the caller's additional data, as it is, so that
 * others can make and read these ciphertexts. SHA-1 is for those who have nothing else: it is never the default, though
 * OAEP does not need what SHA-1 has lost (collision resistance).
 *
 * The header is not authenticated, because who has the public key can encrypt whatever he likes under any header. A
 * changed one makes the reader take another key, version or hash, with which the padding is wrong.
 */
export const RSA_OAEP_CIPHERS: readonly DataCipher[] = Object.freeze([
  oaep(RSA_OAEP_SHA256, { openssl: "sha256", webcrypto: "SHA-256", length: 32 }),
  oaep(RSA_OAEP_SHA384, { openssl: "sha384", webcrypto: "SHA-384", length: 48 }),
  oaep(RSA_OAEP_SHA512, { openssl: "sha512", webcrypto: "SHA-512", length: 64 }),
  oaep(RSA_OAEP_SHA1, { openssl: "sha1", webcrypto: "SHA-1", length: 20 }),
]);

function oaep(suite: Suite, hash: Hash): DataCipher {
  /** Kept as long as the key's own object is. */
  const prepared = new WeakMap<KeyObject, webcrypto.CryptoKey>();

  /**
   * Decrypts on the thread pool: 0.2 to 1.3 ms. `privateDecrypt` of `node:crypto` has no asynchronous form, WebCrypto has
   * no other. Whatever fails, fails alike (RFC 8017 section 7.1.2, note: or Manger's attack finds the plaintext). OpenSSL
   * checks the padding in constant time and has one error for it; what it refuses sooner, a number that is not below the
   * modulus, everyone can see.
   */
  async function open(key: KeyObject, data: Uint8Array, aad: Uint8Array): Promise<Buffer> {
    const label = labelOf(aad);
    // OpenSSL takes a shorter number for one with leading zeros; RFC 8017 section 7.1.2, step 1b, does not.
    if (!label || data.length !== modulusBytes(key)) throw failed();
    const own = prepared.get(key) ?? key.toCryptoKey({ name: "RSA-OAEP", hash: hash.webcrypto }, false, ["decrypt"]);
    prepared.set(key, own);
    try {
      const algorithm = { name: "RSA-OAEP", label: Buffer.from(label) };
      return Buffer.from(await inPool(() => subtle.decrypt(algorithm, own, Buffer.from(data))));
    } catch {
      throw failed();
    }
  }

  return Object.freeze<DataCipher>({
    name: suite.cipher,
    suite: suite.number,
    deterministic: false,
    encrypt(version, plaintext, aad) {
      const label = labelOf(aad);
      if (!label) {
        throw new BunkmsError("invalid_request", "RSA cannot bind an encryption context; use aad instead");
      }
      const size = modulusBytes(version.key);
      // RFC 8017 section 7.1.1, step 1b.
      const most = size - 2 * hash.length - 2;
      if (plaintext.length > most) {
        const text = `${suite.cipher} with a key of ${8 * size} bits encrypts at most ${most} bytes`;
        throw new BunkmsError("plaintext_too_long", `${text}; encrypt more with a data key`);
      }
      // OpenSSL draws the seed from its own DRBG, which a clone of the machine would repeat (random.ts). A seed that serves
      // two messages shows at least whether they are equal, and what is proven of OAEP is for fresh ones.
      reseedOpenssl();
      // On this thread, so that no other work comes between: with the public exponent this is 0.05 ms at most.
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      const data = publicEncrypt({ key: version.key, padding, oaepHash: hash.openssl, oaepLabel: label }, plaintext);
      const ciphertext = Buffer.allocUnsafeSlow(HEADER_LENGTH + data.length);
      writeHeader(ciphertext, suite, version);
      ciphertext.set(data, HEADER_LENGTH);
      return { ciphertext, nonce: NOTHING, data: ciphertext.subarray(HEADER_LENGTH) };
    },
    async decrypt(version, ciphertext, aad) {
      requireHeader(ciphertext, suite, version);
      return open(version.key, ciphertext.subarray(HEADER_LENGTH), aad);
    },
    decryptBare: (version, data, aad) => open(version.key, data, aad),
  });
}

/** The bytes of additional data as a caller gave them; undefined for an encryption context. */
function labelOf(aad: Uint8Array): Uint8Array | undefined {
  if (aad.length === 0) return aad;
  return aad[0] === RAW ? aad.subarray(1) : undefined;
}

function modulusBytes(key: KeyObject): number {
  const bits = key.asymmetricKeyType === "rsa" ? key.asymmetricKeyDetails?.modulusLength : undefined;
  if (bits === undefined) throw new BunkmsError("wrong_key_usage");
  return bits / 8;
}
