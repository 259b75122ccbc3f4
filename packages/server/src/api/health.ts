import { BunkmsError } from "@bunkms/contract";

/** Whether the server can serve. Being alive needs no proof but an answer. */
export class Health {
  readonly #vault: () => BunkmsError | undefined;
  readonly #probe: () => Promise<void>;
  readonly #now: () => number;
  #closing = false;
  #checked = Number.NEGATIVE_INFINITY;
  #isProbing = false;
  #verdict: Promise<BunkmsError | undefined> = Promise.resolve(undefined);

  /**
   * @param vault Why no vault is open; undefined when one is.
   * @param probe Proves that the store can be written; throws when not.
   * @param now A monotonic clock in milliseconds.
   */
  constructor(
    vault: () => BunkmsError | undefined,
    probe: () => Promise<void>,
    now: () => number = () => performance.now(),
  ) {
    this.#vault = vault;
    this.#probe = probe;
    this.#now = now;
  }

  /** From now on: not ready. */
  close(): void {
    this.#closing = true;
  }

  get closing(): boolean {
    return this.#closing;
  }

  /**
   * Undefined when ready, else why not. The store is probed at most once a second, however often this is asked, and once at a time:
   * of two probes that wait for a slow disk, the one would find what the other has written in the place of what it read.
   */
  async notReady(): Promise<BunkmsError | undefined> {
    if (this.#closing) {
      return new BunkmsError("shutting_down");
    }
    const closed = this.#vault();
    if (closed !== undefined) {
      return closed;
    }
    if (!this.#isProbing && this.#now() - this.#checked >= PROBE_EVERY_MS) {
      this.#isProbing = true;
      this.#checked = this.#now();
      this.#verdict = this.#probe()
        .then(
          () => undefined,
          (cause) => new BunkmsError("storage_unavailable", undefined, { cause }),
        )
        .finally(() => {
          this.#isProbing = false;
        });
    }
    return this.#verdict;
  }
}

const PROBE_EVERY_MS = 1000;
