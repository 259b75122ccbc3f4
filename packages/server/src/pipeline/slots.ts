import { BunkmsError } from "@bunkms/contract";

/**
 * Places for calls that take up memory, counted by token: one token holds only a share, so that no single caller can keep
 * all others out.
 */
export class Slots {
  readonly #most: number;
  readonly #share: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  /**
   * @param most Places in all, 1 or more.
   * @param share Places of one token; absent: a quarter.
   */
  constructor(most: number, share = Math.ceil(most / 4)) {
    this.#most = most;
    this.#share = share;
  }

  /**
   * Takes a place.
   * @returns Gives it back; called again it does nothing.
   * @throws BunkmsError `too_many_requests`
   */
  take(token: string): () => void {
    const held = this.#held.get(token) ?? 0;
    if (this.#total >= this.#most || held >= this.#share) {
      throw new BunkmsError("too_many_requests");
    }
    this.#total += 1;
    this.#held.set(token, held + 1);
    let given = false;
    return () => {
      if (!given) {
        given = true;
        this.#giveBack(token);
      }
    };
  }

  #giveBack(token: string): void {
    this.#total -= 1;
    const held = (this.#held.get(token) ?? 0) - 1;
    if (held === 0) {
      this.#held.delete(token);
    } else {
      this.#held.set(token, held);
    }
  }
}
