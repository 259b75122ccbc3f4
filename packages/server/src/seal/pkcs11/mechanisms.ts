import { randomBytes } from "../../crypto/random.ts";
import {
  CKA_CLASS,
  CKA_EXTRACTABLE,
  CKA_KEY_TYPE,
  CKA_SENSITIVE,
  CKA_TOKEN,
  CKA_VALUE,
  CKG_MGF1_SHA1,
  CKG_MGF1_SHA256,
  CKK_AES,
  CKK_GENERIC_SECRET,
  CKK_RSA,
  CKM_AES_GCM,
  CKM_AES_KEY_WRAP,
  CKM_RSA_PKCS_OAEP,
  CKM_SHA_1,
  CKM_SHA256,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  CKZ_DATA_SPECIFIED,
} from "./codes.ts";
import type { Attribute, Mechanism, Session } from "./cryptoki.ts";
import { word } from "./memory.ts";
import type { Pkcs11Mechanism } from "./order.ts";

const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;
const NULL = 0n;
const FALSE = Buffer.from([0]);
const TRUE = Buffer.from([1]);
/** Of what is unwrapped; a slot key has 32 bytes. */
const MAX_KEY_LENGTH = 64;

/** How a token's key wraps a slot key. */
export interface WrapMechanism {
  readonly name: Pkcs11Mechanism;
  /** In wrapped bytes; never to be given to another mechanism. */
  readonly number: number;
  readonly keyType: bigint;
  /** The object that unwraps; it must be sensitive and not extractable. */
  readonly keyClass: bigint;
  /** The object that wraps: the same one, or the public half of it. */
  readonly wrapClass: bigint;
  /** @param aad Bound to the wrapping where the mechanism knows additional authenticated data. */
  wrap(session: Session, key: bigint, slotKey: Uint8Array, aad: Uint8Array): Buffer;
  /** The caller zeroes the result. @throws CryptokiError, also when the bytes were changed. */
  unwrap(session: Session, key: bigint, wrapped: Uint8Array, aad: Uint8Array): Buffer;
}

/** All of them. AES-KWP is not among them: a slot key needs no padding, so AES-KW does. */
export const MECHANISMS: readonly WrapMechanism[] = Object.freeze([
  aesGcm(),
  aesKw(),
  rsaOaep("rsa-oaep", 3, CKM_SHA256, CKG_MGF1_SHA256),
  rsaOaep("rsa-oaep-sha1", 4, CKM_SHA_1, CKG_MGF1_SHA1),
]);

/**
 * AES-GCM (NIST SP 800-38D) with a random nonce of 12 bytes: a wrapping key wraps a few slot keys in its life, far from the
 * 2^32 messages at which random nonces end. Nonce, ciphertext and tag follow each other.
 */
function aesGcm(): WrapMechanism {
  function mechanism(nonce: Uint8Array, aad: Uint8Array): Mechanism {
    // CK_GCM_PARAMS: nonce, its length in bytes and in bits, AAD, its length, bits of the tag.
    const parameters = [nonce, BigInt(nonce.length), BigInt(nonce.length * 8), aad, BigInt(aad.length)];
    return { type: CKM_AES_GCM, parameters: [...parameters, BigInt(TAG_LENGTH * 8)] };
  }
  return {
    name: "aes-gcm",
    number: 1,
    keyType: CKK_AES,
    keyClass: CKO_SECRET_KEY,
    wrapClass: CKO_SECRET_KEY,
    wrap(session, key, slotKey, aad) {
      const nonce = randomBytes(NONCE_LENGTH);
      return Buffer.concat([nonce, session.encrypt(mechanism(nonce, aad), key, slotKey)]);
    },
    unwrap(session, key, wrapped, aad) {
      return session.decrypt(mechanism(wrapped.subarray(0, NONCE_LENGTH), aad), key, wrapped.subarray(NONCE_LENGTH));
    },
  };
}

/**
 * AES-KW (RFC 3394). Tokens offer it for keys only, by C_WrapKey, so the slot key becomes an object of the session, which
 * ends with it.
 */
function aesKw(): WrapMechanism {
  const mechanism: Mechanism = { type: CKM_AES_KEY_WRAP, parameters: [] };
  const template: readonly Attribute[] = [
    [CKA_CLASS, word(CKO_SECRET_KEY)],
    [CKA_KEY_TYPE, word(CKK_GENERIC_SECRET)],
    [CKA_TOKEN, FALSE],
    [CKA_SENSITIVE, FALSE],
    [CKA_EXTRACTABLE, TRUE],
  ];
  return {
    name: "aes-kw",
    number: 2,
    keyType: CKK_AES,
    keyClass: CKO_SECRET_KEY,
    wrapClass: CKO_SECRET_KEY,
    wrap(session, key, slotKey) {
      return session.wrapKey(mechanism, key, session.createObject([...template, [CKA_VALUE, slotKey]]));
    },
    unwrap(session, key, wrapped) {
      const object = session.unwrapKey(mechanism, key, wrapped, template);
      return session.attribute(object, CKA_VALUE, MAX_KEY_LENGTH);
    },
  };
}

/**
 * RSAES-OAEP (RFC 8017 section 7.1) with an empty label. OAEP does not need what SHA-1 has lost (collision resistance);
 * still it is a mechanism of its own, which somebody chose, and nothing falls back to it.
 */
function rsaOaep(name: Pkcs11Mechanism, number: number, hash: bigint, mgf: bigint): WrapMechanism {
  // CK_RSA_PKCS_OAEP_PARAMS: hash, mask generation, source of the label, label, its length.
  const mechanism: Mechanism = { type: CKM_RSA_PKCS_OAEP, parameters: [hash, mgf, CKZ_DATA_SPECIFIED, NULL, 0n] };
  return {
    name,
    number,
    keyType: CKK_RSA,
    keyClass: CKO_PRIVATE_KEY,
    wrapClass: CKO_PUBLIC_KEY,
    wrap: (session, key, slotKey) => session.encrypt(mechanism, key, slotKey),
    unwrap: (session, key, wrapped) => session.decrypt(mechanism, key, wrapped),
  };
}
