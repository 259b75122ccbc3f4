import { constants, createCipheriv, createPublicKey, type KeyObject, publicEncrypt, randomBytes } from "node:crypto";
import { RequestError } from "../errors.ts";

/** How key material travels under an RSA key, as `ImportKeyRequest.algorithm` of the contract describes. */
export type KeyWrapAlgorithm = "rsa-oaep-sha256" | "rsa-aes-key-wrap-sha256";

/** The most material that a server takes, in bytes. */
const MOST_MATERIAL = 8192;
const AES_KEY_LENGTH = 32;
/** Bytes that OAEP with SHA-256 needs of the modulus (RFC 8017 section 7.1.1). */
const OAEP_OVERHEAD = 2 * 32 + 2;
/** The alternative initial value of RFC 5649 section 3; OpenSSL adds the length. */
const KWP_INITIAL = Buffer.from("a65959a6", "hex");
const LEAST_MODULUS_BITS = 2048;

/**
 * Wraps key material for ImportKey, so that only the server that made the wrapping key can open it: RSAES-OAEP with
 * SHA-256 (RFC 8017 section 7.1), or CKM_RSA_AES_KEY_WRAP with the same and a fresh AES key of 256 bits (PKCS#11 v2.40,
 * current mechanisms, section 2.1.21; RFC 5649).
 *
 * @param wrappingKeyPem `wrapping_public_key_pem` of PrepareKeyImport. Whoever can change it on its way can open what is
 * wrapped: let it come over TLS.
 * @param algorithm `rsa-oaep-sha256` takes at most the modulus less 66 bytes, 318 with `rsa-3072`.
 * @param material 1 to 8192 bytes. They stay the caller's, who zeroes them.
 * @throws RequestError when the wrapping key is no RSA key of 2048 bits or more, or the material is not of such a length.
 */
export function wrapMaterial(wrappingKeyPem: string, algorithm: KeyWrapAlgorithm, material: Uint8Array): Buffer {
  const wrappingKey = readWrappingKey(wrappingKeyPem);
  if (material.length === 0 || material.length > MOST_MATERIAL) {
    throw new RequestError(`key material has 1 to ${MOST_MATERIAL} bytes`);
  }
  if (algorithm === "rsa-oaep-sha256") {
    if (material.length > modulusBits(wrappingKey) / 8 - OAEP_OVERHEAD) {
      throw new RequestError("the material is too long for rsa-oaep-sha256: use rsa-aes-key-wrap-sha256");
    }
    return encrypt(wrappingKey, material);
  }
  const aesKey = randomBytes(AES_KEY_LENGTH);
  try {
    const cipher = createCipheriv("id-aes256-wrap-pad", aesKey, KWP_INITIAL);
    return Buffer.concat([encrypt(wrappingKey, aesKey), cipher.update(material), cipher.final()]);
  } finally {
    aesKey.fill(0);
  }
}

function encrypt(key: KeyObject, bytes: Uint8Array): Buffer {
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, bytes);
}

function readWrappingKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new RequestError("the wrapping key is not a public key in PEM", { cause });
  }
  if (key.asymmetricKeyType !== "rsa" || modulusBits(key) < LEAST_MODULUS_BITS) {
    throw new RequestError(`the wrapping key must be RSA of ${LEAST_MODULUS_BITS} bits or more`);
  }
  return key;
}

function modulusBits(key: KeyObject): number {
  return key.asymmetricKeyDetails?.modulusLength ?? 0;
}
