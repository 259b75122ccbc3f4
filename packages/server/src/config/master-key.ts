import { inspect } from "node:util";
import { ConfigError } from "./config-error.ts";
import { readSmallFile } from "./private-file.ts";

const KEY_BYTES = 32;
const MAX_FILE_BYTES = 1024;
const REDACTED = "[master key]";
const BASE64_PREFIX = Buffer.from("base64:");
const BASE64_ALPHABET = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const HEX_ALPHABET = Buffer.from("0123456789abcdef");
const FORMS = "give base64: and the standard base64 of 32 bytes, or 64 hex digits, or exactly 32 raw bytes";

/** Carries the master key from the settings to the seal. Whatever prints it prints a placeholder. */
export class MasterKey {
  #bytes: Buffer | undefined;

  /** @param bytes 32 bytes; owned by this object from now on. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * Hands the 32 bytes over, once. The caller owns them and zeroes them.
   * @throws Error when they were taken before.
   */
  take(): Buffer {
    const bytes = this.#bytes;
    if (bytes === undefined) {
      throw new Error("the master key was taken already");
    }
    this.#bytes = undefined;
    return bytes;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/**
 * Reads a master key out of an environment variable's or a settings file's value.
 * @throws ConfigError
 */
export function parseMasterKey(value: string, what: string): MasterKey {
  // Environment values are decoded as UTF-8. A byte that is none becomes U+FFFD, and the key would silently be another.
  if (value.includes("\ufffd")) {
    throw new ConfigError([`${what}: is not UTF-8, so its bytes do not arrive unchanged; use base64: or hex digits`]);
  }
  return decodeAndZero(Buffer.from(value, "utf8"), what);
}

/**
 * Reads a master key file: a text form with or without a line end, or exactly 32 raw bytes. No string is made of it.
 * @throws ConfigError also if anyone but its owner may read or change it.
 */
export function readMasterKeyFile(path: string, what: string): MasterKey {
  const { bytes, isPrivate } = readSmallFile(path, what, MAX_FILE_BYTES);
  if (!isPrivate) {
    bytes.fill(0);
    throw new ConfigError([`${what}: others than its owner can read or change the file; do chmod 600`]);
  }
  return decodeAndZero(bytes, what, true);
}

function decodeAndZero(bytes: Buffer, what: string, fromFile = false): MasterKey {
  try {
    const key = decode(bytes, fromFile);
    if (typeof key === "string") {
      throw new ConfigError([`${what}: ${key}`]);
    }
    return new MasterKey(key);
  } finally {
    bytes.fill(0);
  }
}

/** The key, in memory of its own, or what is wrong. */
function decode(bytes: Buffer, fromFile: boolean): Buffer | string {
  const text = fromFile ? withoutLineEnd(bytes) : bytes;
  if (text.subarray(0, BASE64_PREFIX.length).equals(BASE64_PREFIX)) {
    return decodeBase64(text.subarray(BASE64_PREFIX.length)) ?? `is not valid after base64:; ${FORMS}`;
  }
  if (text.length === 2 * KEY_BYTES) {
    return decodeHex(text) ?? `has 64 bytes that are not all hex digits; ${FORMS}`;
  }
  if (bytes.length !== KEY_BYTES) {
    return bytes.length === 0 ? "is empty" : `has ${bytes.length} bytes and no known form; ${FORMS}`;
  }
  if (text.length !== bytes.length && text.every((byte) => byte >= 0x20 && byte < 0x7f)) {
    return `may be 32 raw bytes or shorter text with a line end; ${FORMS}`;
  }
  return Buffer.from(bytes);
}

function withoutLineEnd(bytes: Buffer): Buffer {
  let end = bytes.length;
  if (end > 0 && bytes[end - 1] === 0x0a) {
    end -= 1;
    if (end > 0 && bytes[end - 1] === 0x0d) {
      end -= 1;
    }
  }
  return bytes.subarray(0, end);
}

/** RFC 4648 section 8, 64 digits of either case. Byte by byte, since Buffer's own decoder would need a string. */
function decodeHex(text: Buffer): Buffer | undefined {
  const key = Buffer.alloc(KEY_BYTES);
  for (let i = 0; i < KEY_BYTES; i += 1) {
    const high = hexDigit(text[2 * i]);
    const low = hexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      key.fill(0);
      return undefined;
    }
    key[i] = high * 16 + low;
  }
  return key;
}

function hexDigit(byte = 0): number {
  return HEX_ALPHABET.indexOf(byte >= 0x41 && byte <= 0x46 ? byte + 0x20 : byte);
}

/** RFC 4648 section 4, strictly: 43 characters and one `=`, with the two unused bits zero (section 3.5). */
function decodeBase64(text: Buffer): Buffer | undefined {
  if (text.length !== 44 || text[43] !== 0x3d) {
    return undefined;
  }
  const key = Buffer.alloc(KEY_BYTES);
  let bits = 0;
  let count = 0;
  let filled = 0;
  for (const byte of text.subarray(0, 43)) {
    const sextet = BASE64_ALPHABET.indexOf(byte);
    if (sextet < 0) {
      key.fill(0);
      return undefined;
    }
    bits = (bits << 6) | sextet;
    count += 6;
    if (count >= 8) {
      count -= 8;
      key[filled] = bits >> count;
      filled += 1;
      bits &= (1 << count) - 1;
    }
  }
  if (bits !== 0) {
    key.fill(0);
    return undefined;
  }
  return key;
}
