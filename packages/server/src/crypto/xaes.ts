import { type Cipheriv, createCipheriv, type KeyObject } from "node:crypto";
import { GCM_NONCE_LENGTH, GCM_TAG_LENGTH, gcmOpen, gcmSeal } from "./aes-gcm.ts";
import { wipe } from "./kdf.ts";
import { fillRandom } from "./random.ts";

const KEY_LENGTH = 32;
const BLOCK = 16;
const NONCE_LENGTH = 24;
const NOTHING = new Uint8Array(0);

/** Sealed bytes did not open. It says no more: whatever was wrong looks the same. */
export class OpenFailure extends Error {
  constructor() {
    super("sealed bytes did not open");
    this.name = "OpenFailure";
  }
}

let sealPrepared: (key: XaesKey, sealed: Buffer, plaintext: Uint8Array, aad: Uint8Array) => Buffer;

/**
 * A key for XAES-256-GCM (C2SP XAES-256-GCM): AES-256-GCM under a key derived from the first half of a 24-byte nonce,
 * so that random nonces are safe for 2^80 messages at a collision risk of 2^-32.
 */
export class XaesKey {
  /** AES-256 of single blocks under the main key: the specification's AES-256ₖ. */
  readonly #block: Cipheriv;
  /** The CMAC subkey K1 (NIST SP 800-38B section 6.1), the same for every message. It is not zeroed, since nobody
   * says when the key's last use was; who knows it and not the main key makes no message key. */
  readonly #k1: Buffer;
  /** Zeros, but while the key of one message is derived: a buffer for each would cost as much as the derivation. */
  readonly #blocks = Buffer.alloc(2 * BLOCK);

  /** @param key 32 bytes. */
  constructor(key: KeyObject) {
    if (key.type !== "secret" || key.symmetricKeySize !== KEY_LENGTH) throw new TypeError("not a 32-byte secret key");
    // ECB looks wrong and is what the specification asks for: AES of one block at a time. One cipher object serves all
    // calls, since ECB encryption without padding keeps nothing between whole blocks; we only ever give it whole blocks.
    this.#block = createCipheriv("aes-256-ecb", key, null).setAutoPadding(false);
    this.#k1 = doubled(this.#block.update(Buffer.alloc(BLOCK)));
  }

  /**
   * Encrypts and authenticates.
   *
   * @param aad Authenticated, not stored.
   * @param header Put before the result, for who would copy it there.
   * @returns header, nonce (24 bytes), ciphertext (as long as the plaintext), tag (16 bytes), in memory of its own.
   */
  seal(plaintext: Uint8Array, aad: Uint8Array, header: Uint8Array = NOTHING): Buffer {
    const all = Buffer.allocUnsafeSlow(header.length + NONCE_LENGTH + plaintext.length + GCM_TAG_LENGTH);
    all.set(header);
    const sealed = all.subarray(header.length);
    fillRandom(sealed.subarray(0, NONCE_LENGTH));
    this.#sealAfterNonce(sealed, plaintext, aad);
    return all;
  }

  /**
   * Verifies and decrypts what {@link XaesKey.seal} returned.
   *
   * @returns The plaintext; the caller owns and zeroes it.
   * @throws OpenFailure whatever is wrong. Nothing of the plaintext is handed on before the tag was verified.
   */
  open(sealed: Uint8Array, aad: Uint8Array): Buffer {
    if (sealed.length < NONCE_LENGTH + GCM_TAG_LENGTH) throw new OpenFailure();
    const key = this.#messageKey(sealed);
    try {
      const plaintext = gcmOpen(key, gcmNonce(sealed), sealed.subarray(NONCE_LENGTH), [aad]);
      if (!plaintext) throw new OpenFailure();
      return plaintext;
    } finally {
      wipe(key);
    }
  }

  // Lends the private step to sealWithNonce below, without a method that a caller of this class could reach.
  static {
    sealPrepared = (key, sealed, plaintext, aad) => key.#sealAfterNonce(sealed, plaintext, aad);
  }

  #sealAfterNonce(sealed: Buffer, plaintext: Uint8Array, aad: Uint8Array): Buffer {
    const key = this.#messageKey(sealed);
    try {
      gcmSeal(key, gcmNonce(sealed), plaintext, [aad], sealed, NONCE_LENGTH);
      return sealed;
    } finally {
      wipe(key);
    }
  }

  /** Derives the key of one message: two blocks of CMAC in counter mode (NIST SP 800-108r1 section 4.1). Its caller wipes it. */
  #messageKey(sealed: Uint8Array): Buffer {
    const blocks = this.#blocks;
    for (let index = 1, offset = 0; offset < blocks.length; index++, offset += BLOCK) {
      blocks[offset + 1] = index;
      blocks[offset + 2] = 0x58; // "X"
      for (let i = 0; i < GCM_NONCE_LENGTH; i++) blocks[offset + 4 + i] = sealed[i] ?? 0;
      for (let i = 0; i < BLOCK; i++) blocks[offset + i] = (blocks[offset + i] ?? 0) ^ (this.#k1[i] ?? 0);
    }
    try {
      return this.#block.update(blocks);
    } finally {
      // Nonce and K1, of which the nonce is public.
      wipe(blocks);
    }
  }
}

/**
 * {@link XaesKey.seal} with a nonce of the caller, for published vectors. A repeated nonce under one key reveals
 * plaintexts and lets anyone forge: nothing but a test may call this.
 */
export function sealWithNonce(key: XaesKey, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  if (nonce.length !== NONCE_LENGTH) throw new TypeError("not a 24-byte nonce");
  const sealed = Buffer.allocUnsafeSlow(NONCE_LENGTH + plaintext.length + GCM_TAG_LENGTH);
  sealed.set(nonce);
  return sealPrepared(key, sealed, plaintext, aad);
}

/** The second half of the nonce is the nonce of AES-256-GCM. */
const gcmNonce = (sealed: Uint8Array): Uint8Array => sealed.subarray(NONCE_LENGTH - GCM_NONCE_LENGTH, NONCE_LENGTH);

/**
 * Multiplies by x in GF(2^128): a shift by one bit, and the reduction when a bit falls out. The reduction is chosen by a
 * mask and not by a branch, because the block is secret.
 */
function doubled(block: Buffer): Buffer {
  const result = Buffer.alloc(BLOCK);
  for (let i = 0; i < BLOCK; i++) result[i] = ((block[i] ?? 0) << 1) | ((block[i + 1] ?? 0) >> 7);
  const fallen = (block[0] ?? 0) >> 7;
  result[BLOCK - 1] = (result[BLOCK - 1] ?? 0) ^ (0x87 & -fallen);
  wipe(block);
  return result;
}
