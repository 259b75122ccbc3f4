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
const MODE_PSK = Buffer.of(1);
const VERSION = Buffer.from("HPKE-v1");
const NOTHING = Buffer.alloc(0);

/** Section 5.1.2: a pre-shared key has at least 32 bytes of entropy. */
const PSK_MIN_LENGTH = 32;

/** Bytes of an X-Wing encapsulation, which stands before the ciphertext. */
const ENCAPSULATION_LENGTH = 1120;

/** What HPKE adds to a plaintext, in bytes. */
export const HPKE_OVERHEAD = ENCAPSULATION_LENGTH + AEAD_TAG_LENGTH;

/**
 * A key that sender and recipient share: mode_psk (RFC 9180 section 5.1.2). Only who has it seals what opens with it, so that
 * it says who sealed a message.
 */
export interface HpkePsk {
  /** At least 32 bytes of full entropy. Lent: the caller zeroes it. */
  readonly key: Uint8Array;
  /** Which key it is; not secret, not empty. */
  readonly id: Uint8Array;
}

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
 * Seals one message: `SealBase` of RFC 9180 section 6.1, which does not say who sealed it, or `SealPSK` with a pre-shared key.
 *
 * @param info What the message is: each use has its own.
 * @returns The encapsulated key and the ciphertext, joined.
 * @throws BunkmsError `invalid_public_key`; RangeError as {@link hpkeKeySchedule}.
 */
export function hpkeSeal(
  recipient: HpkeRecipient,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  psk?: HpkePsk,
): Buffer {
  const { sharedSecret, ciphertext: encapsulation } = encapsulateTo(recipient);
  const { key, baseNonce } = scheduled(sharedSecret, info, psk);
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
 * Opens what {@link hpkeSeal} made: `OpenBase`, or `OpenPSK` with a pre-shared key. What was sealed in one mode does not open
 * in the other.
 *
 * @param seed As in {@link recipientOf}.
 * @returns The message, which the caller zeroes; undefined whatever is wrong.
 * @throws RangeError as {@link hpkeKeySchedule}.
 */
export function hpkeOpen(
  seed: KeyObject,
  info: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
  psk?: HpkePsk,
): Buffer | undefined {
  if (sealed.length < HPKE_OVERHEAD) return undefined;
  const sharedSecret = decapsulateBy(seed, sealed.subarray(0, ENCAPSULATION_LENGTH));
  if (sharedSecret === undefined) return undefined;
  const { key, baseNonce } = scheduled(sharedSecret, info, psk);
  try {
    return aeadOpen(HPKE_SUITE.aeadName, key, baseNonce, sealed.subarray(ENCAPSULATION_LENGTH), [aad]);
  } finally {
    wipe(key);
  }
}

/** The key schedule of the one suite. Zeroes the shared secret. */
function scheduled(sharedSecret: Buffer, info: Uint8Array, psk: HpkePsk | undefined): HpkeKeys {
  try {
    return hpkeKeySchedule(HPKE_SUITE, sharedSecret, info, psk);
  } finally {
    wipe(sharedSecret);
  }
}

/** What a key schedule gives for one message. */
export interface HpkeKeys {
  /** Of the AEAD; the caller zeroes it. */
  readonly key: Buffer;
  /** The nonce of the first message. */
  readonly baseNonce: Buffer;
}

/**
 * `KeySchedule` of RFC 9180 section 5.1, without the exporter: in base mode, or in mode_psk when there is a pre-shared key.
 *
 * @throws RangeError when the pre-shared key is shorter than 32 bytes or has no id (`VerifyPSKInputs`, section 5.1.2).
 */
export function hpkeKeySchedule(
  { kem, aead, keyLength }: HpkeSuite,
  sharedSecret: Uint8Array,
  info: Uint8Array,
  psk?: HpkePsk,
): HpkeKeys {
  if (psk !== undefined && (psk.key.length < PSK_MIN_LENGTH || psk.id.length === 0)) {
    throw new RangeError(`a pre-shared key has ${PSK_MIN_LENGTH} bytes or more, and an id`);
  }
  const suite = Buffer.concat([Buffer.from("HPKE"), uint16(kem), uint16(KDF_HKDF_SHA256), uint16(aead)]);
  const context = Buffer.concat([
    psk === undefined ? MODE_BASE : MODE_PSK,
    labeledExtract(suite, NOTHING, "psk_id_hash", psk?.id ?? NOTHING),
    labeledExtract(suite, NOTHING, "info_hash", info),
  ]);
  const secret = labeledExtract(suite, sharedSecret, "secret", psk?.key ?? NOTHING);
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
  } catch {
    throw new BunkmsError("invalid_public_key", "the recipient's key is not a public key of type x-wing");
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
