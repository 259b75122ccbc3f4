import { type Bytes, bigEndian, concat } from "../crypto/bytes.ts";
import type { StreamCipher } from "../crypto/stream-cipher.ts";
import { FileCipherError } from "./file-error.ts";

/** Plaintext bytes of every segment but the last. */
export const SEGMENT_LENGTH = 65_536;
export const MARK_LENGTH = 4;

const LAST = 0x8000_0000;

/** What a mark says of the segment that follows it. */
export interface Mark {
  /** Bytes of data; the tag comes after them. */
  readonly length: number;
  readonly isLast: boolean;
}

/**
 * Seals the segments of one file in their order (spec/file.md, "Segments": STREAM with AES-256-GCM).
 *
 * Nonces count, so that none comes twice under the cipher's key, as long as that was derived for one file and one sealer alone.
 */
export class SegmentSealer {
  readonly #cipher: StreamCipher;
  #count = 0;

  constructor(cipher: StreamCipher) {
    this.#cipher = cipher;
  }

  /**
   * Seals the next segment. The plaintext is copied before this returns.
   * @returns mark, data and tag in pieces, to be written one after the other; they are the caller's.
   * @throws RangeError after 2^32 segments.
   */
  async seal(plaintext: Bytes, isLast: boolean): Promise<readonly Bytes[]> {
    // The number is taken before anything is waited for, so that two calls at once do not get the same.
    const iv = nonce(this.#count, isLast);
    this.#count += 1;
    const sealed = this.#cipher.seal(iv, plaintext);
    return [bigEndian(plaintext.length + (isLast ? LAST : 0), 4), ...(await sealed)];
  }
}

/** Opens the segments of one file in their order. */
export class SegmentOpener {
  readonly #cipher: StreamCipher;
  #count = 0;

  constructor(cipher: StreamCipher) {
    this.#cipher = cipher;
  }

  /**
   * Reads the mark of the next segment.
   * @throws FileCipherError `changed` for one that no writer writes.
   */
  readMark(bytes: Uint8Array): Mark {
    const value = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    const isLast = value >= LAST;
    const length = isLast ? value - LAST : value;
    const isWellFormed = isLast
      ? length <= SEGMENT_LENGTH && (length > 0 || this.#count === 0)
      : length === SEGMENT_LENGTH;
    if (!isWellFormed) {
      throw changed(this.#count);
    }
    return { length, isLast };
  }

  /**
   * Opens the next segment. What is sealed is copied before this returns.
   * @param sealed data and tag.
   * @returns the plaintext, which is the caller's.
   * @throws FileCipherError `changed`
   */
  async open(sealed: Bytes, isLast: boolean): Promise<Bytes> {
    const index = this.#count;
    this.#count += 1;
    const plaintext = await this.#cipher.open(nonce(index, isLast), sealed);
    if (plaintext === undefined) {
      throw changed(index);
    }
    return plaintext;
  }
}

function changed(index: number): FileCipherError {
  const from = index * SEGMENT_LENGTH;
  return new FileCipherError("changed", `the file was changed where its plaintext has byte ${from} and after`);
}

/** Seven zero bytes, the segment's number in four, and whether it is the last in one. */
function nonce(index: number, isLast: boolean): Bytes {
  // Refuses a number beyond four bytes: it would begin again at 0, and nonces would come twice.
  return concat(new Uint8Array(7), bigEndian(index, 4), Uint8Array.of(isLast ? 1 : 0));
}
