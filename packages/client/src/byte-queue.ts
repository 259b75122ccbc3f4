import { type Bytes, unshared } from "./crypto/bytes.ts";

/**
 * The bytes of a source, taken in pieces of any length whatever the source's own. It reads only as far as it is asked, so
 * that it holds no more than a piece and the chunk in which that ends.
 */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunks: Bytes[] = [];
  #length = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** How many bytes were read and not yet taken. */
  get length(): number {
    return this.#length;
  }

  /** Reads until so many bytes are there. @returns false when the source ends before. */
  async has(length: number): Promise<boolean> {
    while (this.#length < length && !this.#ended) {
      const { done, value } = await this.#source.next();
      if (done) {
        this.#ended = true;
      } else if (value.length > 0) {
        this.#chunks.push(unshared(value));
        this.#length += value.length;
      }
    }
    return this.#length >= length;
  }

  /**
   * Takes bytes that are there: a view of the source's chunk if they lie in one, else a copy.
   * @throws RangeError for more than `length`.
   */
  take(length: number): Bytes {
    if (length > this.#length) {
      throw new RangeError("more bytes than were read");
    }
    this.#length -= length;
    const [first] = this.#chunks;
    if (first === undefined || first.length < length) {
      return this.#gather(length);
    }
    if (first.length === length) {
      this.#chunks.shift();
    } else {
      this.#chunks[0] = first.subarray(length);
    }
    return first.subarray(0, length);
  }

  /** Tells the source that no more is wanted, so that it can let go of what it holds. */
  async close(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      await this.#source.return?.();
    }
  }

  #gather(length: number): Bytes {
    const gathered = new Uint8Array(length);
    let filled = 0;
    let used = 0;
    while (filled < length) {
      const chunk = this.#chunks[used] as Bytes;
      const part = chunk.subarray(0, length - filled);
      gathered.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) {
        used += 1;
      } else {
        this.#chunks[used] = chunk.subarray(part.length);
      }
    }
    this.#chunks.splice(0, used);
    return gathered;
  }
}
