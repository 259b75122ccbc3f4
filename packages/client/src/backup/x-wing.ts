import { createHash, createPublicKey, diffieHellman, encapsulate, generateKeyPairSync } from "node:crypto";
import { RequestError } from "../errors.ts";

// Bytes of X-Wing's parts (draft section 5.1), M of ML-KEM-768 and X of X25519.
const PUBLIC_M = 1184;
const PUBLIC_LENGTH = PUBLIC_M + 32;
/** `\./` and `/^\`. */
const LABEL = Buffer.from("5c2e2f2f5e5c", "hex");
/** What stands before the key in its DER (draft section 5.8). */
const SPKI_PREFIX = Buffer.from("308204d4300d060b2b0601040183e62d81c87a038204c100", "hex");

/** A fresh shared secret of 32 bytes, which the caller zeroes, and what tells the key's holder of it: 1,120 bytes. */
interface Encapsulated {
  readonly sharedSecret: Buffer;
  readonly encapsulation: Buffer;
}

/**
 * `Encapsulate` of X-Wing (draft-connolly-cfrg-xwing-kem-10 section 5.4): ML-KEM-768 and X25519, of which one must hold. OpenSSL
 * does not know it, so it is composed here as the draft says; every secret operation is OpenSSL's.
 *
 * @param spki The public key as SubjectPublicKeyInfo, DER.
 * @throws RequestError when it is no sound X-Wing key.
 */
export function encapsulateXWing(spki: Uint8Array): Encapsulated {
  const bytes = Buffer.from(spki);
  if (
    !bytes.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX) ||
    bytes.length !== SPKI_PREFIX.length + PUBLIC_LENGTH
  ) {
    throw new RequestError("the backup key is not an X-Wing public key");
  }
  const key = bytes.subarray(SPKI_PREFIX.length);
  const publicX = key.subarray(PUBLIC_M);
  try {
    // OpenSSL checks here that the key's numbers are below the modulus (FIPS 203 section 7.2), as the draft demands.
    const keyM = createPublicKey({
      key: key.subarray(0, PUBLIC_M),
      format: "raw-public",
      asymmetricKeyType: "ml-kem-768",
    });
    const keyX = createPublicKey({ key: publicX, format: "raw-public", asymmetricKeyType: "x25519" });
    const ephemeral = generateKeyPairSync("x25519");
    const ciphertextX = ephemeral.publicKey.export({ format: "raw-public" });
    const secretX = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: keyX });
    const { sharedKey: secretM, ciphertext: ciphertextM } = encapsulate(keyM);
    return {
      sharedSecret: combine(secretM, secretX, ciphertextX, publicX),
      encapsulation: Buffer.concat([ciphertextM, ciphertextX]),
    };
  } catch (cause) {
    throw new RequestError("the backup key is not a sound X-Wing public key", { cause });
  }
}

/** `Combiner` of draft section 5.3. Zeroes the two secrets. */
function combine(secretM: Buffer, secretX: Buffer, ciphertextX: Uint8Array, publicX: Uint8Array): Buffer {
  try {
    const hash = createHash("sha3-256");
    for (const part of [secretM, secretX, ciphertextX, publicX, LABEL]) hash.update(part);
    return hash.digest();
  } finally {
    secretM.fill(0);
    secretX.fill(0);
  }
}
