import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { FileCipherError } from "./file-error.ts";

/** Plaintext bytes of every segment but the last. */
export const SEGMENT_LENGTH = 65_536;
export const MARK_LENGTH = 4;
export const TAG_LENGTH = 16;

const LAST = 0x8000_0000;
const NONCE_LENGTH = 12;
const CIPHER = "aes-256-gcm";

/** What a mark says of the segment that follows it. */
export interface Mark {
  /** Bytes of data; the tag comes after them. */
  readonly length: number;
  readonly isLast: boolean;
}

/**
 * Seals the segments of one file in their order (spec/file.md, "Segments": STREAM with AES-256-GCM).
 *
 * Nonces count, so that none comes twice under this key, as long as the key was derived for one file and one sealer alone.
 */
export class SegmentSealer {
  readonly #key: KeyObject;
  #count = 0;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  /**
   * Seals the next segment.
   * @returns mark, data and tag, to be written one after the other; they are the caller's.
   * @throws RangeError after 2^32 segments.
   */
  seal(plaintext: Uint8Array, isLast: boolean): readonly [mark: Buffer, data: Buffer, tag: Buffer] {
    const cipher = createCipheriv(CIPHER, this.#key, nonce(this.#count, isLast), { authTagLength: TAG_LENGTH });
    this.#count += 1;
    const mark = Buffer.alloc(MARK_LENGTH);
    mark.writeUInt32BE(plaintext.length + (isLast ? LAST : 0));
    const data = cipher.update(plaintext);
    cipher.final();
    return [mark, data, cipher.getAuthTag()];
  }
}

/** Opens the segments of one file in their order. */
export class SegmentOpener {
  readonly #key: KeyObject;
  #count = 0;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  /**
   * Reads the mark of the next segment.
   * @throws FileCipherError `changed` for one that no writer writes.
   */
  readMark(bytes: Uint8Array): Mark {
    const value = Buffer.from(bytes).readUInt32BE();
    const isLast = value >= LAST;
    const length = isLast ? value - LAST : value;
    const isWellFormed = isLast
      ? length <= SEGMENT_LENGTH && (length > 0 || this.#count === 0)
      : length === SEGMENT_LENGTH;
    if (!isWellFormed) {
      throw this.#changed();
    }
    return { length, isLast };
  }

  /**
   * Opens the next segment.
   * @param sealed data and tag.
   * @returns the plaintext, which is the caller's.
   * @throws FileCipherError `changed`
   */
  open(sealed: Uint8Array, isLast: boolean): Buffer {
    const end = sealed.length - TAG_LENGTH;
    const iv = nonce(this.#count, isLast);
    const decipher = createDecipheriv(CIPHER, this.#key, iv, { authTagLength: TAG_LENGTH });
    decipher.setAuthTag(sealed.subarray(end));
    const plaintext = decipher.update(sealed.subarray(0, end));
    try {
      // Only now is the tag verified, and only after it is anything handed on.
      decipher.final();
    } catch (error) {
      plaintext.fill(0);
      throw this.#changed(error);
    }
    this.#count += 1;
    return plaintext;
  }

  #changed(cause?: unknown): FileCipherError {
    const from = this.#count * SEGMENT_LENGTH;
    return new FileCipherError("changed", `the file was changed where its plaintext has byte ${from} and after`, {
      cause,
    });
  }
}

/** Seven zero bytes, the segment's number in four, and whether it is the last in one. */
function nonce(index: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(NONCE_LENGTH);
  // Refuses a number beyond four bytes: it would begin again at 0, and nonces would come twice.
  bytes.writeUInt32BE(index, NONCE_LENGTH - 5);
  bytes.writeUInt8(isLast ? 1 : 0, NONCE_LENGTH - 1);
  return bytes;
}
