import { createHmac, type KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { AEAD_NONCE_LENGTH, AEAD_TAG_LENGTH, type Aead, aeadOpen, aeadSeal } from "./aead.ts";
import { sha256 } from "./hash.ts";
import { wipe } from "./kdf.ts";
import { X_WING_TYPE } from "./types/x-wing.ts";

/** The algorithms of an HPKE ciphertext, with the numbers of RFC 9180 section 7. The KDF is HKDF-SHA-256. */
export interface HpkeSuite {
  readonly kem: number;
  readonly aead: number;
  readonly aeadName: Aead;
  /** Bytes of the AEAD's key, at most 32. */
  readonly keyLength: number;
}

/** X-Wing (draft-connolly-cfrg-xwing-kem-10 section 5.7, draft-ietf-hpke-pq), HKDF-SHA-256, AES-256-GCM. */
export const HPKE_SUITE: HpkeSuite = Object.freeze({
  kem: 0x647a,
  aead: 0x0002,
  aeadName: "aes-256-gcm",
  keyLength: 32,
});

const KDF_HKDF_SHA256 = 0x0001;
const MODE_BASE = Buffer.of(0);
const VERSION = Buffer.from("HPKE-v1");
const NOTHING = Buffer.alloc(0);

/** Bytes of an X-Wing encapsulation, which stands before the ciphertext. */
const ENCAPSULATION_LENGTH = 1120;

/** What HPKE adds to a plaintext, in bytes. */
export const HPKE_OVERHEAD = ENCAPSULATION_LENGTH + AEAD_TAG_LENGTH;

/** Somebody to whom messages are sealed. */
export interface HpkeRecipient {
  /** SubjectPublicKeyInfo, DER (X-Wing draft section 5.8). */
  readonly spki: Buffer;
  /** SHA-256 of it, 32 bytes. */
  readonly fingerprint: Buffer;
}

/**
 * The recipient whose private key a seed is.
 *
 * @param seed 32 bytes: X-Wing's decapsulation key.
 */
export function recipientOf(seed: KeyObject): HpkeRecipient {
  const bytes = seed.export();
  const { material, publicKey } = X_WING_TYPE.accept("raw", bytes);
  wipe(bytes, material);
  return { spki: publicKey, fingerprint: sha256(publicKey) };
}

/** A recipient by its public key, as a caller gives it. Only {@link hpkeSeal} finds out whether it is sound. */
export function recipientFrom(spki: Uint8Array): HpkeRecipient {
  return { spki: Buffer.from(spki), fingerprint: sha256(spki) };
}

/**
 * Seals one message: `SealBase` of RFC 9180 section 6.1 in base mode, which does not say who sealed it.
 *
 * @param info What the message is: each use has its own.
 * @returns The encapsulated key and the ciphertext, joined.
 * @throws BunkmsError `invalid_public_key`
 */
export function hpkeSeal(recipient: HpkeRecipient, info: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const { sharedSecret, ciphertext: encapsulation } = encapsulateTo(recipient);
  const { key, baseNonce } = hpkeKeySchedule(HPKE_SUITE, sharedSecret, info);
  wipe(sharedSecret);
  try {
    const sealed = Buffer.allocUnsafeSlow(HPKE_OVERHEAD + plaintext.length);
    sealed.set(encapsulation);
    // The key is of this message alone, and base_nonce is the nonce of the first one (section 5.2).
    aeadSeal(HPKE_SUITE.aeadName, key, baseNonce, plaintext, [aad], sealed, ENCAPSULATION_LENGTH);
    return sealed;
  } finally {
    wipe(key);
  }
}

/**
 * Opens what {@link hpkeSeal} made: `OpenBase`.
 *
 * @param seed As in {@link recipientOf}.
 * @returns The message, which the caller zeroes; undefined whatever is wrong.
 */
export function hpkeOpen(seed: KeyObject, info: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < HPKE_OVERHEAD) return undefined;
  const sharedSecret = decapsulateBy(seed, sealed.subarray(0, ENCAPSULATION_LENGTH));
  if (sharedSecret === undefined) return undefined;
  const { key, baseNonce } = hpkeKeySchedule(HPKE_SUITE, sharedSecret, info);
  wipe(sharedSecret);
  try {
    return aeadOpen(HPKE_SUITE.aeadName, key, baseNonce, sealed.subarray(ENCAPSULATION_LENGTH), [aad]);
  } finally {
    wipe(key);
  }
}

/**
 * `KeySchedule` of RFC 9180 section 5.1 in base mode, without the exporter.
 *
 * @returns The AEAD's key, which the caller zeroes, and the nonce of the first message.
 */
export function hpkeKeySchedule(
  { kem, aead, keyLength }: HpkeSuite,
  sharedSecret: Uint8Array,
  info: Uint8Array,
): { readonly key: Buffer; readonly baseNonce: Buffer } {
  const suite = Buffer.concat([Buffer.from("HPKE"), uint16(kem), uint16(KDF_HKDF_SHA256), uint16(aead)]);
  const context = Buffer.concat([
    MODE_BASE,
    labeledExtract(suite, NOTHING, "psk_id_hash", NOTHING),
    labeledExtract(suite, NOTHING, "info_hash", info),
  ]);
  const secret = labeledExtract(suite, sharedSecret, "secret", NOTHING);
  try {
    return {
      key: labeledExpand(suite, secret, "key", context, keyLength),
      baseNonce: labeledExpand(suite, secret, "base_nonce", context, AEAD_NONCE_LENGTH),
    };
  } finally {
    wipe(secret);
  }
}

/** Section 4: HKDF-Extract (RFC 5869 section 2.2). `node:crypto` has HKDF only as a whole. */
function labeledExtract(suite: Buffer, salt: Uint8Array, label: string, input: Uint8Array): Buffer {
  return hmacSha256(salt, [VERSION, suite, Buffer.from(label), input]);
}

/** Section 4: HKDF-Expand (RFC 5869 section 2.3), whose first block, T(1), is all that 32 bytes or fewer need. */
function labeledExpand(suite: Buffer, secret: Buffer, label: string, info: Buffer, length: number): Buffer {
  const block = hmacSha256(secret, [uint16(length), VERSION, suite, Buffer.from(label), info, Buffer.of(1)]);
  const own = Buffer.allocUnsafeSlow(length);
  block.copy(own);
  wipe(block);
  return own;
}

function hmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function encapsulateTo({ spki }: HpkeRecipient): { sharedSecret: Buffer; ciphertext: Buffer } {
  const { loadPublic, encapsulation } = X_WING_TYPE;
  if (loadPublic === undefined || encapsulation === undefined) throw new Error("X-Wing does not encapsulate");
  try {
    return encapsulation.encapsulate(loadPublic(spki));
  } catch (cause) {
    throw new BunkmsError("invalid_public_key", "the recipient's key is not a public key of type x-wing", { cause });
  }
}

function decapsulateBy(seed: KeyObject, encapsulation: Uint8Array): Buffer | undefined {
  const bytes = seed.export();
  const key = X_WING_TYPE.load(bytes);
  wipe(bytes);
  try {
    return X_WING_TYPE.encapsulation?.decapsulate(key, encapsulation);
  } catch (error) {
    if (error instanceof BunkmsError && error.code === "decryption_failed") return undefined;
    throw error;
  }
}
