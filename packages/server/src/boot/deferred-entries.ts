import { ownEntry } from "../audit/entry.ts";
import type { Unsealed } from "./unseal.ts";

/** So many are kept; of more, only their number. Refusals, which anybody can cause, leave half of the room to others. */
const MAX_ENTRIES = 1_000;
const MAX_REFUSALS = 500;

/** Audit entries of calls to a vault that is sealed or not there yet, until there is a log to write them to. */
export class DeferredEntries {
  readonly #clock: () => number;
  #entries: Buffer[] = [];
  #dropped = 0;
  #refusals = 0;

  /** @param clock Milliseconds since 1970. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  add(entry: Buffer, isRefusal: boolean): void {
    if (this.#entries.length >= MAX_ENTRIES || (isRefusal && this.#refusals >= MAX_REFUSALS)) {
      this.#dropped += 1;
      return;
    }
    this.#refusals += isRefusal ? 1 : 0;
    this.#entries.push(entry);
  }

  /**
   * Writes them, and others with them. What could not be written is kept, and rather written twice than not at all.
   * @throws StoreUnavailable
   */
  async record({ committer }: Pick<Unsealed, "committer">, others: readonly Buffer[] = []): Promise<void> {
    const deferred = this.#entries;
    const dropped = this.#dropped;
    const refusals = this.#refusals;
    this.#entries = [];
    this.#dropped = 0;
    this.#refusals = 0;
    const count = dropped === 0 ? [] : [ownEntry("seals.unrecorded_calls", `count/${dropped}`, this.#clock())];
    try {
      await Promise.all([...deferred, ...others, ...count].map((entry) => committer.submit(entry)));
    } catch (error) {
      this.#entries.unshift(...deferred);
      this.#dropped += dropped;
      this.#refusals += refusals;
      throw error;
    }
  }
}
