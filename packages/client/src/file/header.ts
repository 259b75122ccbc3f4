import type { ByteQueue } from "../byte-queue.ts";
import { type Bytes, bigEndian, concat, equalsInConstantTime, utf8 } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/webcrypto.ts";
import { FileCipherError } from "./file-error.ts";

/** What a wrapped data key is bound to: nothing, bytes, or an encryption context. */
export type BindingKind = "none" | "raw" | "context";

/** What the header of an encrypted file says. Nothing of it is authentic until a segment was opened. */
export interface FileHeader {
  readonly binding: BindingKind;
  /** Of the key that wrapped the data key, when the file was written: 1 to 256 characters from `!` to `~`. */
  readonly keyName: string;
  /** As GenerateDataKey answered it: 1 to 8,192 characters from `!` to `~`. */
  readonly wrappedDataKey: string;
  /** 32 bytes. */
  readonly salt: Bytes;
  /** 32 bytes. */
  readonly commitment: Bytes;
}

/** A header with the digest of its bytes, which the payload key depends on. */
export interface ReadHeader extends FileHeader {
  /** 32 bytes. */
  readonly digest: Bytes;
}

/** Bytes of salt, commitment and digest. */
export const FIELD_LENGTH = 32;
export const MAX_NAME_LENGTH = 256;
export const MAX_WRAPPED_LENGTH = 8192;

const MAGIC = Uint8Array.of(0x8b, 0x42, 0x4b, 0x4d, 0x53, 0x46, 0x0d, 0x0a);
const VERSION = 1;
/** In the order of their numbers. */
const BINDINGS: readonly BindingKind[] = ["none", "raw", "context"];
const TEXT = /^[\x21-\x7e]+$/;

/**
 * The bytes of a header, its digest last (spec/file.md, "Header").
 * @throws RangeError for a text that a header cannot hold.
 */
export async function encodeHeader(header: FileHeader): Promise<{ readonly bytes: Bytes; readonly digest: Bytes }> {
  const fields = concat(
    MAGIC,
    Uint8Array.of(VERSION, BINDINGS.indexOf(header.binding)),
    encodeText(header.keyName, MAX_NAME_LENGTH),
    encodeText(header.wrappedDataKey, MAX_WRAPPED_LENGTH),
    header.salt,
    header.commitment,
  );
  const digest = await sha256(fields);
  return { bytes: concat(fields, digest), digest };
}

/**
 * Reads a header, steps 1 and 2 of spec/file.md, "Reading".
 * @throws FileCipherError `not_an_encrypted_file`, `unsupported_version`, `truncated`, `changed`
 */
export async function readHeader(input: ByteQueue): Promise<ReadHeader> {
  if (!(await input.has(MAGIC.length)) || !equalsInConstantTime(MAGIC, input.take(MAGIC.length))) {
    throw new FileCipherError("not_an_encrypted_file", "this is not a file that BunKMS encrypted");
  }
  const read: Uint8Array[] = [MAGIC];
  const next = async (length: number): Promise<Bytes> => {
    if (!(await input.has(length))) {
      throw new FileCipherError("truncated", "the file is cut short: it ends in its header");
    }
    const bytes = concat(input.take(length));
    read.push(bytes);
    return bytes;
  };
  if ((await next(1))[0] !== VERSION) {
    throw new FileCipherError(
      "unsupported_version",
      "the file was written by a newer version, in a format unknown here",
    );
  }
  const binding = BINDINGS[(await next(1))[0] as number];
  const keyName = await readText(next, MAX_NAME_LENGTH);
  const wrappedDataKey = await readText(next, MAX_WRAPPED_LENGTH);
  const salt = await next(FIELD_LENGTH);
  const commitment = await next(FIELD_LENGTH);
  const digest = await sha256(concat(...read));
  // Public values, and no security hangs on it: whoever changes a header can make it fit.
  if (binding === undefined || !equalsInConstantTime(digest, await next(FIELD_LENGTH))) {
    throw changedHeader();
  }
  return { binding, keyName, wrappedDataKey, salt, commitment, digest };
}

function encodeText(text: string, limit: number): Bytes {
  if (!TEXT.test(text) || text.length > limit) {
    throw new RangeError(`a header cannot hold a text that is empty, longer than ${limit} or not ASCII without blanks`);
  }
  return concat(bigEndian(text.length, 2), utf8(text));
}

async function readText(next: (length: number) => Promise<Bytes>, limit: number): Promise<string> {
  const [high = 0, low = 0] = await next(2);
  const length = 256 * high + low;
  // Before reading it, so that a changed length is not taken for a file that is cut.
  if (length < 1 || length > limit) {
    throw changedHeader();
  }
  const text = String.fromCharCode(...(await next(length)));
  if (!TEXT.test(text)) {
    throw changedHeader();
  }
  return text;
}

function changedHeader(): FileCipherError {
  return new FileCipherError("changed", "the file was changed in its header");
}
