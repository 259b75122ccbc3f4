/** A suite: how the bytes of one cipher's ciphertexts are laid out (spec/ciphertext.md, "Suites"). */
export interface Suite {
  /** 16 bits, in the header. */
  readonly number: number;
  /** The name of the cipher that it belongs to. */
  readonly cipher: string;
  /** Whether a ciphertext of the suite can have so many bytes, header included. */
  fits(length: number): boolean;
}

/** Bytes of the header that ciphertexts of all suites begin with: magic, suite, key id, key version. */
export const HEADER_LENGTH = 25;

/** The AWS Encryption SDK's algorithm suite 0x0478: AES-256-GCM, HKDF-SHA-512, key commitment. */
export const COMMITTING = withTag(0x0478, "aes-256", 32 + 32 + 12);

// Our own numbers begin with b1 (symmetric) or b2 (asymmetric). Those of the AWS Encryption SDK begin with 00 to 05.
export const XAES_256_GCM = withTag(0xb101, "xaes-256-gcm", 24);
export const AES_256_GCM = withTag(0xb102, "aes-256-gcm", 12);
export const AES_128_GCM = withTag(0xb103, "aes-128-gcm", 12);
export const AES_256_GCM_SIV = withTag(0xb104, "aes-256-gcm-siv", 12);
export const AES_256_GCM_SIV_DETERMINISTIC = withTag(0xb105, "aes-256-gcm-siv-deterministic", 12);
export const CHACHA20_POLY1305 = withTag(0xb106, "chacha20-poly1305", 12);
export const RSA_OAEP_SHA256 = ofModulus(0xb201, "rsa-oaep-sha256");
export const RSA_OAEP_SHA384 = ofModulus(0xb202, "rsa-oaep-sha384");
export const RSA_OAEP_SHA512 = ofModulus(0xb203, "rsa-oaep-sha512");
export const RSA_OAEP_SHA1 = ofModulus(0xb204, "rsa-oaep-sha1");

/** All suites by their numbers. */
export const SUITES: ReadonlyMap<number, Suite> = new Map(
  [
    COMMITTING,
    XAES_256_GCM,
    AES_256_GCM,
    AES_128_GCM,
    AES_256_GCM_SIV,
    AES_256_GCM_SIV_DETERMINISTIC,
    CHACHA20_POLY1305,
    RSA_OAEP_SHA256,
    RSA_OAEP_SHA384,
    RSA_OAEP_SHA512,
    RSA_OAEP_SHA1,
  ].map((suite) => [suite.number, suite]),
);

/** @param before Bytes between the header and the data. After the data there are 16 bytes of tag. */
function withTag(number: number, cipher: string, before: number): Suite {
  return Object.freeze<Suite>({ number, cipher, fits: (length) => length >= HEADER_LENGTH + before + 16 });
}

/** After the header there is a number modulo the RSA key's modulus, of 2048, 3072 or 4096 bits. */
function ofModulus(number: number, cipher: string): Suite {
  return Object.freeze<Suite>({ number, cipher, fits: (length) => [256, 384, 512].includes(length - HEADER_LENGTH) });
}
