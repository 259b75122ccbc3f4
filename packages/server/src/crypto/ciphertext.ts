import { BunkmsError } from "@bunkms/contract";
import type { CiphertextHeader, OpenedVersion } from "./key-type.ts";
import { HEADER_LENGTH, SUITES, type Suite } from "./suites.ts";

/** Reads "bkms" at the start of the base64 text. */
const MAGIC = Buffer.of(0x6e, 0x49, 0xac);
const KEY_ID_LENGTH = 16;

// Offsets of the header's fields (spec/ciphertext.md, "Header").
const SUITE_AT = MAGIC.length;
const KEY_ID_AT = SUITE_AT + 2;
const VERSION_AT = KEY_ID_AT + KEY_ID_LENGTH;

/** Writes the header of a ciphertext into its first 25 bytes. */
export function writeHeader(ciphertext: Buffer, suite: Suite, { keyId, version }: OpenedVersion): void {
  ciphertext.set(MAGIC);
  ciphertext.writeUInt16BE(suite.number, SUITE_AT);
  ciphertext.set(keyId, KEY_ID_AT);
  ciphertext.writeUInt32BE(version, VERSION_AT);
}

/**
 * Reads which suite, key and version a ciphertext names. Nothing of it is authenticated yet.
 *
 * @throws BunkmsError `decryption_failed` for bytes that no suite's could be.
 */
export function parseHeader(ciphertext: Uint8Array): CiphertextHeader {
  if (ciphertext.length < HEADER_LENGTH) throw failed();
  const bytes = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
  const suite = bytes.readUInt16BE(SUITE_AT);
  const version = bytes.readUInt32BE(VERSION_AT);
  if (!bytes.subarray(0, SUITE_AT).equals(MAGIC) || !SUITES.get(suite)?.fits(bytes.length) || version < 1) {
    throw failed();
  }
  return { suite, keyId: bytes.subarray(KEY_ID_AT, VERSION_AT), version };
}

/**
 * Refuses a ciphertext whose header names another suite, key or version than these: a cipher's first step in decrypting.
 *
 * @throws BunkmsError `decryption_failed`
 */
export function requireHeader(ciphertext: Uint8Array, suite: Suite, version: OpenedVersion): void {
  const header = parseHeader(ciphertext);
  const own = header.suite === suite.number && header.keyId.equals(version.keyId) && header.version === version.version;
  if (!own) throw failed();
}

/** The text form of a ciphertext: standard base64 with padding (RFC 4648 section 4). */
export function encodeText(ciphertext: Buffer): string {
  return ciphertext.toString("base64");
}

/**
 * Reads the text form. Each ciphertext has exactly one: what does not encode back to the very same text (white space, the
 * URL alphabet, missing padding, set bits after the last byte) is refused.
 *
 * @throws BunkmsError `decryption_failed`
 */
export function decodeText(text: string): Buffer {
  // Node's decoder is lenient and never fails, which is why its answer is encoded again.
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw failed();
  return bytes;
}

/** The one error of decrypting, the same whatever was wrong. */
export const failed = (): BunkmsError => new BunkmsError("decryption_failed");
