import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";
import { bigEndian, pseudorandom } from "./sealing.ts";

// A writer of encrypted files by the letter of spec/file.md, not by the client's code, that can also write them wrong.

/** Additional data as a caller gives it; bytes in hexadecimal. */
export type Additional = { readonly raw: string } | { readonly context: Readonly<Record<string, string>> } | null;

/** A header's fields, each of which a vector may set otherwise than a writer would. */
export interface Header {
  readonly magic: Buffer;
  readonly version: number;
  readonly binding: number;
  readonly name: Buffer;
  readonly wrapped: Buffer;
  readonly salt: Buffer;
  readonly commitment: Buffer;
}

/** A segment as it lies in the file, and what it opens to. */
export interface Segment {
  readonly bytes: Buffer;
  readonly plaintext: Buffer;
}

/** Plaintext bytes of a full segment. */
export const FULL = 65_536;
/** What a last segment has added in its mark. */
export const LAST = 2 ** 31;
/** The key version that wraps data keys, a data key, and another. */
export const KEY = pseudorandom("file: key", 32);
const KEY_ID = pseudorandom("file: key id", 16);
export const DATA_KEY = pseudorandom("file: data key", 32);
export const OTHER_DATA_KEY = pseudorandom("file: another data key", 32);
const SALT = pseudorandom("file: salt", 32);

/** The header of most vectors. */
export function standard(): Header {
  return {
    magic: Buffer.from("8b424b4d53460d0a", "hex"),
    version: 1,
    binding: 0,
    name: Buffer.from("backups"),
    wrapped: wrapped(null),
    salt: SALT,
    commitment: hkdf(DATA_KEY, SALT, Buffer.from("bunkms file v1 commitment")),
  };
}

/** A header with its digest. */
export function headerBytes({ magic, version, binding, name, wrapped: text, salt, commitment }: Header): Buffer {
  const numbers = Buffer.of(version, binding);
  const texts = [bigEndian(name.length, 2), name, bigEndian(text.length, 2), text];
  const fields = concat(magic, numbers, ...texts, salt, commitment);
  return concat(fields, createHash("sha256").update(fields).digest());
}

/** The key of the segments below a header. */
export function payloadKey(header: Header, dataKey = DATA_KEY): Buffer {
  const digest = headerBytes(header).subarray(-32);
  return hkdf(dataKey, header.salt, concat("bunkms file v1 payload", digest));
}

/** A file whose data is zero bytes. */
export function join(header: Header, lengths: readonly number[]): Buffer {
  return concat(headerBytes(header), segments(lengths, payloadKey(header)));
}

/** Segments alone, whose plaintexts have these lengths. */
export function segments(lengths: readonly number[], key = payloadKey(standard())): Buffer {
  return concat(...parts(lengths, key).map(({ bytes }) => bytes));
}

/** What they open to. */
export function plaintexts(lengths: readonly number[], key = payloadKey(standard())): Buffer[] {
  return parts(lengths, key).map(({ plaintext }) => plaintext);
}

/** Segments one by one. */
export function parts(lengths: readonly number[], key = payloadKey(standard())): Segment[] {
  return lengths.map((length, index) => sealed(index, length, index === lengths.length - 1, key));
}

/** One segment, sealed as the one of this number. */
export function sealed(index: number, length: number, isLast: boolean, key = payloadKey(standard())): Segment {
  // In counter mode, what decrypts from zero bytes is what encrypts to them.
  const plaintext = createDecipheriv("aes-256-gcm", key, nonce(index, isLast)).update(Buffer.alloc(length));
  const cipher = createCipheriv("aes-256-gcm", key, nonce(index, isLast));
  const data = concat(cipher.update(plaintext), cipher.final());
  return { bytes: concat(bigEndian(length + (isLast ? LAST : 0), 4), data, cipher.getAuthTag()), plaintext };
}

/** The nonce of a segment. */
export function nonce(index: number, isLast: boolean): Buffer {
  return concat(Buffer.alloc(7), bigEndian(index, 4), Buffer.of(isLast ? 1 : 0));
}

/** The data key under the key of the vectors, by spec/ciphertext.md. */
export function wrapped(additional: Additional): Buffer {
  const salt = pseudorandom("file: salt of the wrapped data key", 32);
  const iv = pseudorandom("file: nonce of the wrapped data key", 12);
  const derive = (info: string): Buffer => Buffer.from(hkdfSync("sha512", KEY, salt, Buffer.from(info, "latin1"), 32));
  const start = concat(Buffer.from("6e49ac0478", "hex"), KEY_ID, bigEndian(1, 4));
  const header = concat(start, salt, derive("COMMITKEY"), iv);
  const cipher = createCipheriv("aes-256-gcm", derive("\x04\x78DERIVEKEY"), iv);
  cipher.setAAD(concat(header, encodeAdditional(additional)));
  const bytes = concat(header, cipher.update(DATA_KEY), cipher.final(), cipher.getAuthTag());
  return Buffer.from(bytes.toString("base64"));
}

function encodeAdditional(additional: Additional): Buffer {
  if (additional === null) {
    return Buffer.alloc(0);
  }
  if ("raw" in additional) {
    return concat(Buffer.of(1), Buffer.from(additional.raw, "hex"));
  }
  const pairs = Object.entries(additional.context).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const texts = pairs.flat().flatMap((text) => [bigEndian(text.length, 2), Buffer.from(text)]);
  return concat(Buffer.of(2), bigEndian(pairs.length, 2), ...texts);
}

function hkdf(key: Buffer, salt: Buffer, info: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", key, salt, info, 32));
}

/** Bytes with a bit of one of them changed. */
export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Bytes without one of them. */
export function withoutByte(bytes: Buffer, at: number): Buffer {
  return concat(bytes.subarray(0, at), bytes.subarray(at + 1));
}

/** A segment with another mark. */
export function marked({ bytes, plaintext }: Segment, mark: number): Segment {
  return { bytes: concat(bigEndian(mark, 4), bytes.subarray(4)), plaintext };
}

/** Joins bytes and ASCII texts. */
export function concat(...pieces: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece, "latin1") : piece)));
}
