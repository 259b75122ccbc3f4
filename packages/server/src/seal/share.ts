import { bech32m } from "@scure/base";
import { sha256 } from "../crypto/hash.ts";
import { equal, wipe } from "../crypto/kdf.ts";

/** What is wrong with an offered share. */
export type ShareFault =
  /** It has none of the forms of a share, or says what no share can say. */
  | "malformed"
  /** It has the form, but its checksum is wrong: mistyped. */
  | "checksum"
  /** A form of a newer version. */
  | "version"
  /** Of another cluster. */
  | "foreign_cluster"
  /** Of this cluster, but of a set that opens nothing any more. */
  | "unknown_set"
  /** Its set has no share of this number. */
  | "index"
  /** It says that it is a share of the set, and is none that was made with it. */
  | "not_of_set"
  /** It was offered before, and counts. */
  | "repeated";

/** A share that is refused. The text says what is wrong, and never has anything of the share but its number. */
export class ShareError extends Error {
  readonly reason: ShareFault;

  constructor(reason: ShareFault, message: string) {
    super(message);
    this.name = "ShareError";
    this.reason = reason;
  }
}

/** One share of a seed (spec/share.md). */
export interface Share {
  /** {@link clusterFingerprint} of the cluster that it is for, 4 bytes. */
  readonly fingerprint: Buffer;
  /** Which set it is of, 4 bytes, random. */
  readonly set: Buffer;
  /** 1 to 255. */
  readonly index: number;
  /** How many of the set are needed, 1 to 255. */
  readonly threshold: number;
  /** 32 bytes, the secret part. Whoever has the share zeroes it. */
  readonly value: Buffer;
}

/** Bytes of a set's id. */
export const SET_ID_LENGTH = 4;

const VERSION = 1;
const CLUSTER_LABEL = Buffer.from("bunkms share cluster v1");
const FINGERPRINT_LENGTH = 4;
const CHECKSUM_LENGTH = 4;
// Where the fields are in the binary form.
const FINGERPRINT_AT = 1;
const SET_AT = FINGERPRINT_AT + FINGERPRINT_LENGTH;
const INDEX_AT = SET_AT + SET_ID_LENGTH;
const THRESHOLD_AT = INDEX_AT + 1;
const VALUE_AT = THRESHOLD_AT + 1;
const CHECKSUM_AT = VALUE_AT + 32;
const BINARY_LENGTH = CHECKSUM_AT + CHECKSUM_LENGTH;

const PREFIX = "bkms";
const TEXT_LENGTH = 80;
const TEXT = /^bkms1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{75}$/;
const HEX = /^[0-9a-f]{94}$/i;
const BASE64 = /^[0-9a-z+/]{63}=$/i;
/** What people and programs put between the groups: blanks of all kinds, line ends, hyphens and the dashes made of them. */
const BETWEEN = /[\s\-\u2010-\u2015\u2212]/g;
/** Far more than a share with blanks between all its letters. */
const MAX_INPUT = 1000;

/**
 * What a share knows its cluster by: the first 4 bytes of SHA-256 over a label and the cluster's id. Not secret, and short:
 * it is there to name a mistake. What a share opens is decided by its set's public key.
 */
export function clusterFingerprint(cluster: Uint8Array): Buffer {
  return sha256(CLUSTER_LABEL, cluster).subarray(0, FINGERPRINT_LENGTH);
}

/**
 * The binary form, with a checksum of its own, for those who carry shares as hex or base64.
 *
 * @returns 47 bytes, which the caller zeroes.
 */
export function encodeShare(share: Share): Buffer {
  const binary = Buffer.allocUnsafeSlow(BINARY_LENGTH);
  writeFields(share, binary);
  checksumOf(binary).copy(binary, CHECKSUM_AT);
  return binary;
}

/**
 * The text form: bech32m (BIP 350) of all fields, in 16 groups of five joined by hyphens, 95 characters. It is below the 90
 * characters, without hyphens, up to which bech32m finds every error of up to four.
 *
 * A string cannot be zeroed, nor can what the codec makes in between. It lives as long as the answer that hands it out.
 */
export function shareText(share: Share): string {
  const fields = Buffer.allocUnsafeSlow(CHECKSUM_AT);
  writeFields(share, fields);
  const words = bech32m.toWords(fields);
  const text = bech32m.encode(PREFIX, words);
  wipe(fields);
  words.fill(0);
  return (text.match(/.{5}/g) ?? []).join("-");
}

/**
 * Reads a share in any of its forms: the text form in small or capital letters, with blanks, line ends and hyphens wherever
 * they are; the binary form as hex or as base64.
 *
 * @returns The share, whose value the caller zeroes.
 * @throws ShareError `malformed`, `checksum`, `version`
 */
export function parseShare(text: string): Share {
  if (text.length > MAX_INPUT) throw malformed("it is too long");
  const bare = text.replace(BETWEEN, "");
  if (/^bkms/i.test(bare)) return readFields(fromText(bare));
  const solid = text.replace(/\s/g, "");
  if (HEX.test(solid)) return readFields(checked(Buffer.from(solid, "hex")));
  if (BASE64.test(solid)) return readFields(checked(fromBase64(solid)));
  throw malformed("it begins with bkms1 and has 80 letters and digits, or is 47 bytes as hex or base64");
}

function fromText(text: string): Buffer {
  const small = text.toLowerCase();
  if (text !== small && text !== text.toUpperCase()) throw malformed("its letters are all small or all capital");
  if (small.length !== TEXT_LENGTH) {
    throw malformed(`it has ${TEXT_LENGTH} letters and digits without what is between them, not ${small.length}`);
  }
  if (!TEXT.test(small)) throw malformed("after bkms1 it has no other signs, and neither 1 nor b, i or o");
  // The codec's own error repeats the text, so that nothing of it may come along.
  const decoded = bech32m.decodeUnsafe(small);
  if (decoded === undefined) throw mistyped();
  const bytes = bech32m.fromWordsUnsafe(decoded.words);
  decoded.words.fill(0);
  // A last word with bits that are no byte's: made so, since the checksum is right.
  if (bytes === undefined) throw malformed("its last bits are not zero");
  return own(bytes);
}

function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") === text) return own(bytes);
  wipe(bytes);
  throw malformed("its base64 is not canonical");
}

/** The fields of a binary form whose checksum is right. Zeroes it. */
function checked(binary: Buffer): Buffer {
  const isRight = equal(binary.subarray(CHECKSUM_AT), checksumOf(binary));
  const fields = own(binary.subarray(0, CHECKSUM_AT));
  wipe(binary);
  if (isRight) return fields;
  wipe(fields);
  throw mistyped();
}

function checksumOf(binary: Buffer): Buffer {
  return sha256(binary.subarray(0, CHECKSUM_AT)).subarray(0, CHECKSUM_LENGTH);
}

function writeFields({ fingerprint, set, index, threshold, value }: Share, into: Buffer): void {
  into.writeUInt8(VERSION, 0);
  fingerprint.copy(into, FINGERPRINT_AT);
  set.copy(into, SET_AT);
  into.writeUInt8(index, INDEX_AT);
  into.writeUInt8(threshold, THRESHOLD_AT);
  value.copy(into, VALUE_AT);
}

/** @param fields Taken over: a part of it becomes the share's value, or all is zeroed. */
function readFields(fields: Buffer): Share {
  const share: Share = {
    fingerprint: fields.subarray(FINGERPRINT_AT, SET_AT),
    set: fields.subarray(SET_AT, INDEX_AT),
    index: fields.readUInt8(INDEX_AT),
    threshold: fields.readUInt8(THRESHOLD_AT),
    value: fields.subarray(VALUE_AT, CHECKSUM_AT),
  };
  if (fields[0] === VERSION && share.index > 0 && share.threshold > 0) return share;
  const isNewer = fields[0] !== VERSION;
  wipe(fields);
  throw isNewer
    ? new ShareError("version", "this share has a form that this version does not know: was it made by a newer one?")
    : malformed("its number or its threshold is 0");
}

/** In memory of its own, since small buffers of Node's lie in a pool with others'. Zeroes the given bytes. */
function own(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  wipe(bytes);
  return copy;
}

function malformed(what: string): ShareError {
  return new ShareError("malformed", `this is not a share: ${what}`);
}

function mistyped(): ShareError {
  return new ShareError("checksum", "this share is mistyped: its checksum is wrong");
}
