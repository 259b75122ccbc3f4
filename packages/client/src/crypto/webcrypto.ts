import type { Bytes } from "./bytes.ts";

/** Length of data keys, of what is derived from them, and of salts. */
export const KEY_LENGTH = 32;
/** Of AES-GCM, in bytes. */
export const TAG_LENGTH = 16;

const TAG_BITS = 8 * TAG_LENGTH;
const AES_GCM = "AES-GCM";

/** The runtime's generator: that of the operating system. */
export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** SHA-256 (FIPS 180-4), 32 bytes. */
export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** HKDF (RFC 5869) of one key and one salt. It gives keys that cannot be read out again. */
export class KeyDerivation {
  readonly #key: CryptoKey;
  readonly #salt: Bytes;
  readonly #hash: "SHA-256" | "SHA-512";

  /** @param key See `importSecret`. */
  constructor(key: CryptoKey, salt: Bytes, hash: "SHA-256" | "SHA-512") {
    this.#key = key;
    this.#salt = salt;
    this.#hash = hash;
  }

  /** 32 bytes. */
  async bytes(info: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.deriveBits(this.#parameters(info), this.#key, 8 * KEY_LENGTH));
  }

  /** A key for AES-256-GCM. */
  cipherKey(info: Bytes): Promise<CryptoKey> {
    const type = { name: AES_GCM, length: 8 * KEY_LENGTH };
    return crypto.subtle.deriveKey(this.#parameters(info), this.#key, type, false, ["encrypt", "decrypt"]);
  }

  #parameters(info: Bytes) {
    return { name: "HKDF", hash: this.#hash, salt: this.#salt, info };
  }
}

/** Makes 32 bytes a key for AES-256-GCM. They stay the caller's, who zeroes them. */
export function importCipherKey(key: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, AES_GCM, false, ["encrypt", "decrypt"]);
}

/** Makes a data key one to derive from. It stays the caller's, who zeroes it. */
export function importSecret(key: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits", "deriveKey"]);
}

/** AES-256-GCM (NIST SP 800-38D) with a 16-byte tag, which comes after the data. */
export async function seal(key: CryptoKey, nonce: Bytes, plaintext: Bytes, aad?: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.encrypt(gcm(nonce, aad), key, plaintext));
}

/** Opens what `seal` made. @returns undefined when anything is not as it was sealed. */
export async function open(key: CryptoKey, nonce: Bytes, sealed: Bytes, aad?: Bytes): Promise<Bytes | undefined> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt(gcm(nonce, aad), key, sealed));
  } catch (error) {
    if (error instanceof Error && error.name === "OperationError") {
      return undefined;
    }
    throw error;
  }
}

function gcm(iv: Bytes, additionalData: Bytes | undefined) {
  return { name: AES_GCM, iv, tagLength: TAG_BITS, ...(additionalData === undefined ? {} : { additionalData }) };
}
