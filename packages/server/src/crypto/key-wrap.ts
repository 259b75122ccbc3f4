import { constants, createCipheriv, createDecipheriv, type KeyObject, publicEncrypt, subtle } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { wipe } from "./kdf.ts";
import { randomBytes, reseedOpenssl } from "./random.ts";

/**
 * How key material travels under somebody's RSA public key:
 * - `rsa-oaep-sha256`: RSAES-OAEP with SHA-256 for hash and MGF1 and an empty label (RFC 8017 section 7.1), for symmetric
 *   keys and seeds;
 * - `rsa-aes-key-wrap-sha256`: CKM_RSA_AES_KEY_WRAP (PKCS#11 v2.40, current mechanisms, section 2.1.21) with the same
 *   OAEP and a temporary AES key of 256 bits: for material of any length.
 */
export type KeyWrapAlgorithm = "rsa-oaep-sha256" | "rsa-aes-key-wrap-sha256";

/** The names, the one for material of any length first. */
export const KEY_WRAP_ALGORITHMS: readonly KeyWrapAlgorithm[] = Object.freeze([
  "rsa-aes-key-wrap-sha256",
  "rsa-oaep-sha256",
]);

/** The longest material, in bytes: an RSA key of 4096 bits as PKCS#8 has 2,376, an expanded ML-DSA-87 key 4,952. */
export const MOST_WRAPPED_MATERIAL = 8192;

const OAEP = { name: "RSA-OAEP", hash: "SHA-256" };
/** Bytes that OAEP with SHA-256 needs of the modulus (RFC 8017 section 7.1.1). */
const OAEP_OVERHEAD = 2 * 32 + 2;
const AES_KEY_LENGTH = 32;
/** The alternative initial value of RFC 5649 section 3; OpenSSL adds the length. */
const KWP_INITIAL = Buffer.from("a65959a6", "hex");
const KWP_BLOCK = 8;
/** The shortest ciphertext of RFC 5649: initial value, and one block of key. */
const KWP_SHORTEST = 2 * KWP_BLOCK;

/**
 * Opens key material that a caller wrapped for us. The RSA operation runs in the thread pool.
 *
 * @param privateKey RSA. The caller answers for its having been made for this use and no other.
 * @param wrapped Of `rsa-aes-key-wrap-sha256`: the wrapped AES key, as long as the modulus, then the material by AES-KWP
 * (RFC 5649).
 * @returns 1 to {@link MOST_WRAPPED_MATERIAL} bytes, which the caller zeroes.
 * @throws BunkmsError `invalid_key_material` with one text, whatever is wrong. How long that took may tell which of the
 * two layers was wrong, but no more: OpenSSL decodes OAEP in constant time, so what Manger's attack (CRYPTO 2001) needs
 * does not show, and to learn that a ciphertext is no valid OAEP at all helps nobody, because OAEP withstands chosen
 * ciphertexts.
 */
export async function unwrapImported(
  privateKey: KeyObject,
  algorithm: KeyWrapAlgorithm,
  wrapped: Uint8Array,
): Promise<Buffer> {
  const modulus = modulusBytes(privateKey);
  if (algorithm === "rsa-oaep-sha256") {
    return checked(await oaepDecrypt(privateKey, wrapped));
  }
  const inner = wrapped.subarray(modulus);
  if (inner.length < KWP_SHORTEST || inner.length > MOST_WRAPPED_MATERIAL + KWP_BLOCK) throw unopened();
  const key = await oaepDecrypt(privateKey, wrapped.subarray(0, modulus));
  try {
    if (key.length !== AES_KEY_LENGTH) throw unopened();
    return checked(kwpUnwrap(key, inner));
  } finally {
    wipe(key);
  }
}

/**
 * Wraps key material for the holder of an RSA key; the opposite of {@link unwrapImported}.
 *
 * @param publicKey RSA of 2,048 to 8,192 bits, with an odd modulus, and an odd exponent from 65,537 (SP 800-56B section
 * 6.2.1) to below 2^64, the most that OpenSSL takes with a modulus of more than 3,072 bits.
 * @param material At most {@link MOST_WRAPPED_MATERIAL} bytes; by `rsa-oaep-sha256` at most the modulus less 66 bytes.
 * @throws BunkmsError `invalid_public_key`; `plaintext_too_long` when the algorithm cannot take that much.
 */
export async function wrapForExport(
  publicKey: KeyObject,
  algorithm: KeyWrapAlgorithm,
  material: Uint8Array,
): Promise<Buffer> {
  requireSound(publicKey);
  if (algorithm === "rsa-oaep-sha256") {
    if (material.length > modulusBytes(publicKey) - OAEP_OVERHEAD) {
      throw new BunkmsError(
        "plaintext_too_long",
        "the key is too long for rsa-oaep-sha256: use rsa-aes-key-wrap-sha256",
      );
    }
    return oaepEncrypt(publicKey, material);
  }
  if (material.length > MOST_WRAPPED_MATERIAL) throw new BunkmsError("plaintext_too_long");
  const key = randomBytes(AES_KEY_LENGTH);
  try {
    return Buffer.concat([oaepEncrypt(publicKey, key), kwpWrap(key, material)]);
  } finally {
    wipe(key);
  }
}

/**
 * AES key wrap with padding (RFC 5649, SP 800-38F section 6.3).
 * @param key 16, 24 or 32 bytes.
 * @param material 1 byte or more.
 */
export function kwpWrap(key: Uint8Array, material: Uint8Array): Buffer {
  const cipher = createCipheriv(kwpName(key), key, KWP_INITIAL);
  return Buffer.concat([cipher.update(material), cipher.final()]);
}

/**
 * Opens what {@link kwpWrap} made. The caller zeroes the result.
 * @throws BunkmsError `invalid_key_material`, whatever is wrong.
 */
export function kwpUnwrap(key: Uint8Array, wrapped: Uint8Array): Buffer {
  // OpenSSL takes no bytes at all for no work to do, and says nothing.
  if (wrapped.length < KWP_SHORTEST || wrapped.length % KWP_BLOCK !== 0) throw unopened();
  const decipher = createDecipheriv(kwpName(key), key, KWP_INITIAL);
  try {
    // Unlike other modes, key wrap gives nothing before all is verified: `update` takes the whole, or throws.
    const material = decipher.update(wrapped);
    decipher.final();
    return material;
  } catch {
    throw unopened();
  }
}

function kwpName(key: Uint8Array): string {
  return `id-aes${key.length * 8}-wrap-pad`;
}

async function oaepDecrypt(privateKey: KeyObject, wrapped: Uint8Array): Promise<Buffer> {
  if (wrapped.length !== modulusBytes(privateKey)) throw unopened();
  const key = privateKey.toCryptoKey(OAEP, false, ["decrypt"]);
  try {
    return Buffer.from(await subtle.decrypt(OAEP, key, new Uint8Array(wrapped)));
  } catch {
    throw unopened();
  }
}

function oaepEncrypt(publicKey: KeyObject, material: Uint8Array): Buffer {
  // The seed of OAEP comes from OpenSSL's DRBG; see random.ts for why that is not enough.
  reseedOpenssl();
  // Not in the thread pool: with a public key it takes a tenth of a millisecond. MGF1 takes the same hash.
  return publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, material);
}

function checked(material: Buffer): Buffer {
  if (material.length > 0 && material.length <= MOST_WRAPPED_MATERIAL) return material;
  wipe(material);
  throw unopened();
}

function modulusBytes(key: KeyObject): number {
  if (key.asymmetricKeyType !== "rsa") throw new BunkmsError("wrong_key_usage");
  return Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
}

/** With an exponent of 1 wrapped material would be readable; a huge modulus would keep a thread busy for long. */
function requireSound(publicKey: KeyObject): void {
  const { modulusLength = 0, publicExponent = 0n } = publicKey.asymmetricKeyDetails ?? {};
  const isSound =
    publicKey.type === "public" &&
    publicKey.asymmetricKeyType === "rsa" &&
    modulusLength >= 2048 &&
    modulusLength <= 8192 &&
    publicExponent >= 65_537n &&
    publicExponent < 1n << 64n &&
    publicExponent % 2n === 1n &&
    isOddModulus(publicKey);
  if (!isSound) throw new BunkmsError("invalid_public_key", "the wrapping key must be RSA of 2048 to 8192 bits");
}

/** The product of two primes is odd; OpenSSL cannot compute with another, and fails in the middle of it. */
function isOddModulus(publicKey: KeyObject): boolean {
  const { n = "" } = publicKey.export({ format: "jwk" });
  return (Buffer.from(n, "base64url").at(-1) ?? 0) % 2 === 1;
}

const unopened = (): BunkmsError => new BunkmsError("invalid_key_material", "the wrapped key cannot be unwrapped");
