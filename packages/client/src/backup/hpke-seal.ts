import { createCipheriv, createHmac } from "node:crypto";
import { encapsulateXWing } from "./x-wing.ts";

// RFC 9180 section 7: X-Wing, HKDF-SHA-256, AES-256-GCM; base mode.
const KEM_ID = 0x647a;
const KDF_ID = 0x0001;
const AEAD_ID = 0x0002;
const MODE_BASE = Buffer.of(0);
const KEY_LENGTH = 32;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;
const SUITE = Buffer.concat([Buffer.from("HPKE"), uint16(KEM_ID), uint16(KDF_ID), uint16(AEAD_ID)]);
const VERSION = Buffer.from("HPKE-v1");
const NOTHING = Buffer.alloc(0);

/**
 * `SealBase` of RFC 9180 section 6.1 with the one suite of spec/backup.md: it does not say who sealed.
 *
 * @param spki The recipient's X-Wing key as SubjectPublicKeyInfo, DER.
 * @param plaintext Stays the caller's.
 * @returns The encapsulated key and the ciphertext with its tag, joined.
 * @throws RequestError when the key is not sound.
 */
export function hpkeSealBase(spki: Uint8Array, info: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const { sharedSecret, encapsulation } = encapsulateXWing(spki);
  const { key, nonce } = keySchedule(sharedSecret, info);
  try {
    // The key is of this message alone, and base_nonce is the nonce of the first one (section 5.2).
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_LENGTH });
    cipher.setAAD(aad);
    return Buffer.concat([encapsulation, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  } finally {
    key.fill(0);
  }
}

/** `KeySchedule` of section 5.1 in base mode, without the exporter. Zeroes the shared secret. */
function keySchedule(sharedSecret: Buffer, info: Uint8Array): { readonly key: Buffer; readonly nonce: Buffer } {
  const context = Buffer.concat([
    MODE_BASE,
    labeledExtract(NOTHING, "psk_id_hash", NOTHING),
    labeledExtract(NOTHING, "info_hash", info),
  ]);
  const secret = labeledExtract(sharedSecret, "secret", NOTHING);
  sharedSecret.fill(0);
  try {
    return {
      key: labeledExpand(secret, "key", context, KEY_LENGTH),
      nonce: labeledExpand(secret, "base_nonce", context, NONCE_LENGTH),
    };
  } finally {
    secret.fill(0);
  }
}

/** Section 4: HKDF-Extract (RFC 5869 section 2.2). `node:crypto` has HKDF only as a whole. */
function labeledExtract(salt: Uint8Array, label: string, input: Uint8Array): Buffer {
  return hmacSha256(salt, [VERSION, SUITE, Buffer.from(label), input]);
}

/** Section 4: HKDF-Expand (RFC 5869 section 2.3), whose first block is all that 32 bytes or fewer need. */
function labeledExpand(secret: Buffer, label: string, info: Buffer, length: number): Buffer {
  const block = hmacSha256(secret, [uint16(length), VERSION, SUITE, Buffer.from(label), info, Buffer.of(1)]);
  const own = Buffer.from(block.subarray(0, length));
  block.fill(0);
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
