import type { KeyObject } from "node:crypto";
import type { DrawNonce } from "./nonce-lot.ts";

/**
 * What a key may be used for. Each key has one purpose, bound when it is made:
 * - `encrypt`: encrypt and decrypt data, and make data keys;
 * - `wrap`: make data keys and open them, nothing else;
 * - `sign`: sign and verify;
 * - `mac`: make and verify message authentication codes;
 * - `agree`: derive or encapsulate shared secrets.
 */
export type Purpose = "encrypt" | "wrap" | "sign" | "mac" | "agree";

/** One version of a key, opened for use. */
export interface OpenedVersion {
  /** The key's id, 16 bytes. */
  readonly keyId: Buffer;
  /** 1 or more. */
  readonly version: number;
  /** The secret or private key. */
  readonly key: KeyObject;
  /** Of a key derived for one encryption context (derived-version.ts): tells it from its sisters. 32 bytes, not secret. */
  readonly scope?: Buffer;
}

/** Fresh key material, to be sealed at once. Its owner zeroes `material` after use. */
export interface GeneratedKey {
  /** What `load` takes: the raw key of a symmetric type; of a key pair its PKCS#8 DER (RFC 5208), or its seed. */
  readonly material: Buffer;
  /** SubjectPublicKeyInfo DER (RFC 5280 section 4.1) of a key pair; empty for a symmetric type. */
  readonly publicKey: Buffer;
}

/** A data ciphertext and its visible parts. `ciphertext` is the whole, in bytes. */
export interface Encrypted {
  readonly ciphertext: Buffer;
  /** Empty where the algorithm has none. */
  readonly nonce: Buffer;
  /** Encrypted data, with its tag where the algorithm has one. */
  readonly data: Buffer;
}

/** Which suite, key and version a ciphertext says it was made with. */
export interface CiphertextHeader {
  readonly suite: number;
  readonly keyId: Buffer;
  readonly version: number;
}

/** One way of encrypting, bound to its key type. */
export interface DataCipher {
  /** For example `rsa-oaep-sha256`. */
  readonly name: string;
  /** Tells its ciphertexts from those of other ciphers (spec/ciphertext.md, "Suites"). 16 bits. */
  readonly suite: number;
  /** Whether encrypting the same twice gives the same ciphertext. Such a cipher serves keys made for it only. */
  readonly deterministic: boolean;
  /**
   * Messages that one key version may encrypt, where random nonces set a limit (NIST SP 800-38D section 8.3).
   */
  readonly budget?: number;
  /**
   * @param aad The canonical encoding of additional data (additional-data.ts).
   * @param drawNonce Gives a random nonce of 12 bytes, if the cipher needs one; absent: the kernel, at once.
   * @throws BunkmsError `plaintext_too_long` where the key's size sets a limit; `invalid_request` for additional data
   * that the cipher cannot bind.
   */
  encrypt(
    version: OpenedVersion,
    plaintext: Uint8Array,
    aad: Uint8Array,
    drawNonce?: DrawNonce,
  ): Encrypted | Promise<Encrypted>;
  /** @throws BunkmsError `decryption_failed`, whatever is wrong. */
  decrypt(version: OpenedVersion, ciphertext: Uint8Array, aad: Uint8Array): Buffer | Promise<Buffer>;
  /**
   * Decrypts what somebody encrypted by himself with the public key; asymmetric ciphers only.
   * @param data Without any header of ours.
   * @throws BunkmsError `decryption_failed`, whatever is wrong.
   */
  decryptBare?(version: OpenedVersion, data: Uint8Array, aad: Uint8Array): Promise<Buffer>;
}

/** What is signed: a message, which is hashed first, or its digest. */
export type SignatureInput =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  | { readonly kind: "digest"; readonly bytes: Uint8Array };

/** `raw` is the algorithm's one form. ECDSA has two: DER (RFC 3279 section 2.2.3) and r ‖ s (IEEE P1363). */
export type SignatureEncoding = "raw" | "der" | "p1363";

/** How to sign, where an algorithm leaves a choice. */
export interface SignatureOptions {
  /** One of the algorithm's encodings; absent: its first. */
  readonly encoding?: SignatureEncoding;
  /** The signature's context (RFC 8032 section 8.3, FIPS 204 section 5.2), at most `contextLength` bytes; absent: empty. */
  readonly context?: Uint8Array;
}

/** One way of signing, bound to its key type. */
export interface SignatureAlgorithm {
  /** For example `rsa-pss-sha256`. */
  readonly name: string;
  /** The hash whose digest can be signed; absent: only messages can. */
  readonly hash?: "sha224" | "sha256" | "sha384" | "sha512";
  /** The first is the default. */
  readonly encodings: readonly SignatureEncoding[];
  /** The longest context, in bytes: 255 or 0. */
  readonly contextLength: number;
  /** Whether a signature takes up to a second to make, or some. */
  readonly signsLong?: true;
  /** Its caller has checked encoding and context. @throws BunkmsError `invalid_digest_length`, `wrong_key_usage` */
  sign(key: KeyObject, input: SignatureInput, options?: SignatureOptions): Buffer | Promise<Buffer>;
  /**
   * A signature of any wrong form is just not valid. Its caller has checked encoding and context.
   * @throws BunkmsError `invalid_digest_length`, `wrong_key_usage`
   */
  verify(
    publicKey: KeyObject,
    input: SignatureInput,
    signature: Uint8Array,
    options?: SignatureOptions,
  ): boolean | Promise<boolean>;
}

/** How a key type makes message authentication codes. */
export interface MacAlgorithm {
  /** For example `hmac-sha256`. */
  readonly name: string;
  /** Bytes of a code. */
  readonly length: number;
  make(key: KeyObject, message: Uint8Array): Buffer;
}

/** How a key type agrees on shared secrets with another key pair (NIST SP 800-56A, RFC 7748). */
export interface KeyAgreement {
  /** For example `ecdh-p256`. */
  readonly name: string;
  /**
   * The raw shared secret, which the caller zeroes.
   * @param peer SubjectPublicKeyInfo, DER, of an uncompressed point on the named curve.
   * @throws BunkmsError `invalid_public_key` for one that is malformed, of another curve, or of small order.
   */
  derive(key: KeyObject, peer: Uint8Array): Buffer | Promise<Buffer>;
}

/** How a key type encapsulates (FIPS 203). */
export interface KeyEncapsulation {
  /** For example `ml-kem-768`. */
  readonly name: string;
  /** Bytes of a ciphertext. */
  readonly ciphertextLength: number;
  /** A fresh shared secret of 32 bytes, which the caller zeroes, and its ciphertext for the holder of the private key. */
  encapsulate(publicKey: KeyObject): { readonly sharedSecret: Buffer; readonly ciphertext: Buffer };
  /**
   * The shared secret, which the caller zeroes; of a forged ciphertext another one (implicit rejection).
   * @throws BunkmsError `decryption_failed` when the ciphertext is not as long as it must be.
   */
  decapsulate(key: KeyObject, ciphertext: Uint8Array): Buffer;
}

/** One row of the algorithm table. */
export interface KeyType {
  /** For example `aes-256`. */
  readonly name: string;
  /** Where the type is defined, for the documentation: for example `FIPS 204`. */
  readonly standard: string;
  /** What keys of the type may be made for; the first is the default. */
  readonly purposes: readonly Purpose[];
  generate(): Promise<GeneratedKey>;
  /**
   * Takes in key material that a caller made.
   * @param format `raw`: the bytes of a symmetric key, or the private key or seed where its standard has such a form;
   * `pkcs8`: DER.
   * @throws BunkmsError `invalid_key_material` that says why, and nothing of the material.
   */
  accept(format: "raw" | "pkcs8", material: Uint8Array): GeneratedKey;
  /** How `accept` would take stored material; absent: `raw` of a symmetric type, `pkcs8` of a key pair. */
  readonly materialFormat?: "raw" | "pkcs8";
  /** What whoever holds a plain copy of the key is to use it for; absent: the type's name in capitals. */
  readonly exportedAs?: string;
  /**
   * Opens stored material. Copies it: the caller zeroes its own bytes.
   *
   * Key pairs are known again: the methods of a row refuse keys of other types with `wrong_key_usage`. A symmetric key is
   * bytes and tells no type. It serves one because its record names the type, under the record's seal, and whoever opens the
   * record takes `load` and everything else from that one row.
   */
  load(material: Uint8Array): KeyObject;
  /** Opens a key pair's SubjectPublicKeyInfo; absent for symmetric types. */
  loadPublic?(spki: Uint8Array): KeyObject;
  /** Of types for encrypting: the first is the default. */
  readonly ciphers?: readonly DataCipher[];
  /** Whether one key can serve many tenants: a key of its own is derived for each encryption context. */
  readonly derivable?: boolean;
  /** Of types for signing: the first is the default. */
  readonly signatures?: readonly SignatureAlgorithm[];
  readonly mac?: MacAlgorithm;
  readonly agreement?: KeyAgreement;
  readonly encapsulation?: KeyEncapsulation;
  /** Drops what was derived from one key, or from all: `forgetKey` calls it. */
  forget?(keyId?: Uint8Array): void;
}
