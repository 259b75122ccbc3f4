import type { KeyObject } from "node:crypto";

/** One version of a key, opened for use. */
export interface OpenedVersion {
  /** The key's id, 16 bytes. */
  readonly keyId: Buffer;
  /** 1 or more. */
  readonly version: number;
  /** The secret or private key. */
  readonly key: KeyObject;
}

/** Fresh key material, to be sealed at once. Its owner zeroes `material` after use. */
export interface GeneratedKey {
  /** The raw key of a symmetric type; PKCS#8 DER (RFC 5208) of a key pair. */
  readonly material: Buffer;
  /** SubjectPublicKeyInfo DER (RFC 5280 section 4.1) of a key pair; empty for a symmetric type. */
  readonly publicKey: Buffer;
}

/** A data ciphertext and its visible parts. `ciphertext` is the whole, in bytes. */
export interface Encrypted {
  readonly ciphertext: Buffer;
  readonly nonce: Buffer;
  /** Encrypted data with its tag. */
  readonly data: Buffer;
}

/** Which key and version a ciphertext says it was made with. */
export interface CiphertextHeader {
  readonly keyId: Buffer;
  readonly version: number;
}

/** How a symmetric key type encrypts. */
export interface DataCipher {
  /** @param aad The canonical encoding of additional data (additional-data.ts). */
  encrypt(version: OpenedVersion, plaintext: Uint8Array, aad: Uint8Array): Encrypted;
  /** @throws BunkmsError `decryption_failed`, whatever is wrong. */
  decrypt(version: OpenedVersion, ciphertext: Uint8Array, aad: Uint8Array): Buffer;
}

/** What is signed: a message, which is hashed first, or its digest. */
export type SignatureInput =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  | { readonly kind: "digest"; readonly bytes: Uint8Array };

/** One way of signing, bound to its key type. */
export interface SignatureAlgorithm {
  /** For example `rsa-pss-sha256`. */
  readonly name: string;
  readonly hash: "sha256" | "sha384" | "sha512";
  /** @throws BunkmsError `invalid_digest_length` */
  sign(key: KeyObject, input: SignatureInput): Promise<Buffer>;
  /** @throws BunkmsError `invalid_digest_length`; a signature of any wrong form is just not valid. */
  verify(publicKey: KeyObject, input: SignatureInput, signature: Uint8Array): Promise<boolean>;
}

/** One row of the algorithm table. */
export interface KeyType {
  /** For example `aes-256`. */
  readonly name: string;
  readonly purpose: "encrypt" | "sign";
  generate(): Promise<GeneratedKey>;
  /** Opens stored material. Copies it: the caller zeroes its own bytes. */
  load(material: Uint8Array): KeyObject;
  /** Of types for encrypting. */
  readonly cipher?: DataCipher;
  /** Of types for signing: the first is the default. */
  readonly signatures?: readonly SignatureAlgorithm[];
}
