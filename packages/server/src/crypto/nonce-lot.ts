import { randomBytes } from "./random.ts";

/** Bytes for each message: as long as the longest nonce that is drawn here. */
const NONCE_LENGTH = 12;

/** Fills a nonce with random bytes that nobody else gets. */
export type DrawNonce = (nonce: Uint8Array) => void;

/**
 * The nonces of messages that are all there, drawn from the kernel together: 47 calls for a thousand messages.
 *
 * random.ts says why nothing is drawn in advance: a clone of the machine repeats it, and then two messages have one nonce.
 * Here each message has a nonce of its own by its place, and all of them were in memory, with their additional data, before
 * any nonce was drawn. So whenever a clone is made, both copies have the very same message for a nonce, and make the same
 * ciphertext of it, or use it with different keys. The argument ends where what is encrypted at a place is not settled
 * when the lot is drawn: data keys, for example, are random themselves.
 */
export class NonceLot {
  readonly #bytes: Buffer;
  readonly #used: Uint8Array;

  /** @param messages How many. */
  constructor(messages: number) {
    this.#bytes = randomBytes(messages * NONCE_LENGTH);
    this.#used = new Uint8Array(messages);
  }

  /**
   * Fills the nonce of the message at a place.
   * @param nonce 12 bytes at most.
   * @throws RangeError the second time, and where there is no such place: never a nonce twice.
   */
  fill(place: number, nonce: Uint8Array): void {
    if (this.#used[place] !== 0 || nonce.length > NONCE_LENGTH) {
      throw new RangeError("a nonce can be taken once");
    }
    this.#used[place] = 1;
    this.#bytes.copy(nonce, 0, place * NONCE_LENGTH);
  }
}
