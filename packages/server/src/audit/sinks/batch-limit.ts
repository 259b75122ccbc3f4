import { MAX_BATCH_ENTRIES } from "./sink.ts";

/** After so many deliveries since the last refusal more is tried. */
const MIN_PATIENCE = 16;
/** A receiver whose bound stays is asked for more once in so many deliveries. */
const MAX_PATIENCE = 1024;

/**
 * How many entries a batch may have. A refusal for its size halves it; deliveries double it again, since such a bound may be
 * of a proxy that was there for a day, or of one batch of long entries. Each time that this was in vain it is tried half as
 * often, until it was not.
 */
export class BatchLimit {
  #entries = MAX_BATCH_ENTRIES;
  #patience = MIN_PATIENCE;
  #deliveries = 0;
  /** Whether it grew, and that was not refused so far. */
  #hasGrown = false;

  /** From 1 to MAX_BATCH_ENTRIES. */
  get entries(): number {
    return this.#entries;
  }

  /** A batch of so many entries was delivered. One that had room left says nothing of the bound. */
  delivered(entries: number): void {
    if (entries < this.#entries) {
      return;
    }
    this.#deliveries += 1;
    if (this.#deliveries < this.#patience) {
      return;
    }
    this.#deliveries = 0;
    if (this.#hasGrown) {
      // So long it was taken: from here on it goes fast.
      this.#patience = MIN_PATIENCE;
    }
    this.#hasGrown = this.#entries < MAX_BATCH_ENTRIES;
    this.#entries = Math.min(MAX_BATCH_ENTRIES, 2 * this.#entries);
  }

  /** A batch was refused for its size. @returns Whether the next one may have fewer entries. */
  refused(): boolean {
    this.#deliveries = 0;
    if (this.#hasGrown) {
      this.#patience = Math.min(MAX_PATIENCE, 2 * this.#patience);
      this.#hasGrown = false;
    }
    if (this.#entries === 1) {
      return false;
    }
    this.#entries = Math.ceil(this.#entries / 2);
    return true;
  }
}
