import { setImmediate } from "node:timers/promises";
import { ownEntry } from "../audit/entry.ts";
import { RevisionConflict, type Table } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import type { Unsealed } from "./unseal.ts";

/** After a failure, for example a full disk, it goes on so much later. */
const RETRY_MS = 10_000;

/**
 * All tables with records that a barrier key seals, but `meta`: its only one is the state, which every mutation writes, so that
 * the one which retires the old key writes it under the new one.
 */
const TABLES: readonly Table[] = [
  "key",
  "key-version",
  "key-material",
  "key-usage",
  "alias",
  "import-key",
  "secret",
  "secret-version",
  "secret-value",
  "token",
  "idempotency",
  "audit",
  "audit-tile",
  "audit-index",
  "audit-checkpoint",
  "audit-cursor",
  "audit-key",
  "audit-retention",
  "attachment",
  "attachment-part",
  "attachment-removal",
];

/** How far the records are sealed anew. */
export interface ResealProgress {
  readonly inProgress: boolean;
  readonly resealed: number;
  /** 0 to 100. */
  readonly percent: number;
}

/**
 * Seals the records anew after a rotation of the barrier key, page by page while the vault is at work, and drops the old
 * key at the end. That there is an old key tells that it is not done: a restart goes on, and looks only at what is left.
 */
export class ResealTask {
  readonly #unsealed: Unsealed;
  readonly #clock: () => number;
  readonly #onFailure: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #stopped = false;
  #resealed = 0;
  #tablesDone = 0;

  constructor(unsealed: Unsealed, clock: () => number, onFailure: (error: unknown) => void) {
    this.#unsealed = unsealed;
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  get progress(): ResealProgress {
    const inProgress = this.#unsealed.vault.records.hasOldBarrier;
    const percent = inProgress ? Math.floor((100 * this.#tablesDone) / TABLES.length) : 100;
    return { inProgress, resealed: this.#resealed, percent };
  }

  /** Begins, or goes on with, what there is to do. */
  start(): void {
    if (this.#running === undefined && !this.#stopped && this.#unsealed.vault.records.hasOldBarrier) {
      clearTimeout(this.#retry);
      this.#resealed = 0;
      this.#running = this.#run()
        .catch((error) => {
          this.#onFailure(error);
          if (!this.#stopped) {
            this.#retry = setTimeout(() => this.start(), RETRY_MS).unref();
          }
        })
        .finally(() => {
          this.#running = undefined;
        });
    }
  }

  /** Ends it for now, after the page that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { committer } = this.#unsealed;
    this.#tablesDone = 0;
    for (const table of TABLES) {
      await this.#reseal(table);
      if (this.#stopped) {
        return;
      }
      this.#tablesDone += 1;
    }
    while (!this.#stopped && !(await this.#retire())) {
      await setImmediate();
    }
    // What was read before under other revisions is read anew, so that these need not be known for ever.
    committer.refresh();
  }

  /** @returns Whether it is done; false when a seal slot changed meanwhile, for then it is planned anew. */
  async #retire(): Promise<boolean> {
    const { vault, committer } = this.#unsealed;
    const plan = await vault.slots.retireBarrier();
    try {
      await committer.submit(ownEntry("seals.retire_barrier", "seals", this.#clock()), plan as Plan<unknown>);
      return true;
    } catch (error) {
      if (error instanceof RevisionConflict) {
        return false;
      }
      throw error;
    } finally {
      plan.discard();
    }
  }

  async #reseal(table: Table): Promise<void> {
    let after: string | undefined;
    while (!this.#stopped) {
      try {
        const page = await this.#unsealed.vault.records.reseal(table, after);
        this.#resealed += page.resealed;
        if (page.after === undefined) {
          return;
        }
        after = page.after;
      } catch (error) {
        // Somebody wrote one of the page's records: the page is read again.
        if (!(error instanceof RevisionConflict)) {
          throw error;
        }
      }
      await setImmediate();
    }
  }
}
