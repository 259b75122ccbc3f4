/** A type of keys, and what its keys may be made for; the first purpose is the default. */
export interface KeyTypeSummary {
  readonly name: string;
  readonly purposes: readonly string[];
}

const of = (purposes: string, names: string): readonly KeyTypeSummary[] =>
  names.split(" ").map((name) => ({ name, purposes: purposes.split(" ") }));

/**
 * The key types that this version's server has, the default first, for help and completion; the server decides. A test
 * compares them with the server's algorithm table, and so it does with the other lists here.
 */
export const KEY_TYPES: readonly KeyTypeSummary[] = Object.freeze([
  ...of("encrypt wrap", "aes-256 xaes-256-gcm aes-256-gcm aes-128-gcm aes-256-gcm-siv chacha20-poly1305"),
  ...of("sign encrypt wrap", "rsa-2048 rsa-3072 rsa-4096"),
  ...of("sign", "ecdsa-p256 ecdsa-p384 ecdsa-p521 ecdsa-secp256k1 ed25519 ed448"),
  ...of("sign", "ml-dsa-44 ml-dsa-65 ml-dsa-87 ml-dsa-65-ed25519"),
  ...of("sign", "slh-dsa-sha2-128s slh-dsa-sha2-128f slh-dsa-sha2-192s slh-dsa-sha2-192f"),
  ...of("sign", "slh-dsa-sha2-256s slh-dsa-sha2-256f slh-dsa-shake-128s slh-dsa-shake-128f"),
  ...of("sign", "slh-dsa-shake-192s slh-dsa-shake-192f slh-dsa-shake-256s slh-dsa-shake-256f"),
  ...of("mac", "hmac-sha224 hmac-sha256 hmac-sha384 hmac-sha512"),
  ...of("mac", "hmac-sha3-224 hmac-sha3-256 hmac-sha3-384 hmac-sha3-512"),
  ...of("agree", "x25519 x448 ecdh-p256 ecdh-p384 ecdh-p521 ml-kem-512 ml-kem-768 ml-kem-1024 x-wing"),
]);

/** All purposes. */
export const PURPOSES: readonly string[] = Object.freeze(["encrypt", "wrap", "sign", "mac", "agree"]);

/** All states of keys. */
export const KEY_STATES: readonly string[] = Object.freeze([
  "enabled",
  "disabled",
  "pending_deletion",
  "destroyed",
  "pending_import",
]);

/** The signature algorithms of the types that have several. */
export const SIGNATURE_ALGORITHMS: readonly string[] = Object.freeze([
  "rsa-pss-sha256",
  "rsa-pss-sha384",
  "rsa-pss-sha512",
  "rsa-pkcs1-sha256",
  "rsa-pkcs1-sha384",
  "rsa-pkcs1-sha512",
  "ecdsa-sha256",
  "ecdsa-sha384",
  "ecdsa-sha512",
  "ecdsa-sha256-low-s",
  "ed25519",
  "ed25519ph",
]);

/** The encodings of ECDSA signatures. */
export const SIGNATURE_ENCODINGS: readonly string[] = Object.freeze(["der", "p1363", "jose"]);

/** How key material travels under an RSA key, the one for material of any length first. */
export const KEY_WRAPS = Object.freeze(["rsa-aes-key-wrap-sha256", "rsa-oaep-sha256"] as const);

/** The ciphers of the types that have several for one key. */
export const CIPHERS: readonly string[] = Object.freeze([
  "rsa-oaep-sha256",
  "rsa-oaep-sha384",
  "rsa-oaep-sha512",
  "rsa-oaep-sha1",
]);
