import type { KeyObject } from "node:crypto";
import { failed, requireHeader, writeHeader } from "./ciphertext.ts";
import type { DataCipher } from "./key-type.ts";
import { HEADER_LENGTH, XAES_256_GCM } from "./suites.ts";
import { OpenFailure, XaesKey } from "./xaes.ts";

const NONCE_AT = HEADER_LENGTH;
const DATA_AT = NONCE_AT + 24;

/** Kept as long as the key's own object is: setting up a key costs as much as a short message. */
const prepared = new WeakMap<KeyObject, XaesKey>();

/**
 * XAES-256-GCM (C2SP XAES-256-GCM) as a data cipher. It has no budget: with nonces of 24 random bytes the chance of a
 * collision stays below 2^-32 for 2^80 messages, more than can ever be made. Not key-committing.
 */
export const XAES_CIPHER: DataCipher = Object.freeze<DataCipher>({
  name: XAES_256_GCM.cipher,
  suite: XAES_256_GCM.number,
  deterministic: false,
  encrypt(version, plaintext, aad) {
    const header = Buffer.alloc(HEADER_LENGTH);
    writeHeader(header, XAES_256_GCM, version);
    const ciphertext = xaesKey(version.key).seal(plaintext, Buffer.concat([header, aad]), header);
    return { ciphertext, nonce: ciphertext.subarray(NONCE_AT, DATA_AT), data: ciphertext.subarray(DATA_AT) };
  },
  decrypt(version, ciphertext, aad) {
    requireHeader(ciphertext, XAES_256_GCM, version);
    const header = ciphertext.subarray(0, HEADER_LENGTH);
    try {
      return xaesKey(version.key).open(ciphertext.subarray(NONCE_AT), Buffer.concat([header, aad]));
    } catch (error) {
      throw error instanceof OpenFailure ? failed() : error;
    }
  },
});

function xaesKey(key: KeyObject): XaesKey {
  const known = prepared.get(key);
  if (known) return known;
  const fresh = new XaesKey(key);
  prepared.set(key, fresh);
  return fresh;
}
