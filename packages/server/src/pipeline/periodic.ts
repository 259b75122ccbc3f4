import { ownEntry } from "../audit/entry.ts";
import type { Services } from "../operations/operation.ts";
import { RevisionConflict } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import type { Committer } from "./committer.ts";

/** What the periodic work works with. */
interface PeriodicParts {
  readonly vault: Pick<Services["vault"], "keys" | "usage" | "imports">;
  readonly committer: Committer;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Told of what went wrong; it is tried again in the next round. */
  readonly onFailure: (error: unknown) => void;
}

const ROUND_MS = 10_000;
const FLUSH_MS = 60_000;
/** The most keys that one round takes care of. */
const KEYS_PER_ROUND = 1000;

/**
 * What the server does by itself: rotations and destructions that are due, and the writing of usage counts. Whether
 * something is due is in the store, and doing it is a conditional write: a restart forgets nothing and does nothing twice.
 */
export class Periodic {
  readonly #parts: PeriodicParts;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #flushedAt: number;

  constructor(parts: PeriodicParts) {
    this.#parts = parts;
    this.#flushedAt = parts.clock();
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#round = this.#round.then(() => this.round());
    }, ROUND_MS);
  }

  /** Ends the work, and writes what was counted. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#round;
    await this.#attempt(() => this.#flush());
  }

  /** Does what is due now. */
  async round(): Promise<void> {
    const { vault, clock } = this.#parts;
    const now = clock();
    for (const name of vault.keys.due(now, KEYS_PER_ROUND)) {
      await this.#attempt(() => this.#commitIfAny("keys.rotate", name, vault.keys.rotateDue(name, now)));
      await this.#attempt(() => this.#commitIfAny("keys.destroy", name, vault.keys.destroyDue(name, now)));
    }
    for (const spent of vault.usage.takeNearlySpent()) {
      await this.#attempt(
        () => this.#commitIfAny("keys.rotate", spent.name, vault.keys.rotateSpent(spent.name, spent.version, now)),
        () => vault.usage.noteNearlySpent(spent),
      );
    }
    if (now - this.#flushedAt >= FLUSH_MS) {
      this.#flushedAt = now;
      await this.#attempt(() => this.#flush());
      await this.#attempt(() => this.#commitIfAny("keys.expire_imports", "", vault.imports.expired(now)));
    }
  }

  async #commitIfAny(operation: string, name: string, planned: Promise<Plan<unknown> | undefined>): Promise<void> {
    const plan = await planned;
    if (plan !== undefined) {
      await this.#commit(operation, name, plan);
    }
  }

  async #flush(): Promise<void> {
    const { usage } = this.#parts.vault;
    for (let left = usage.unwritten; left > 0; ) {
      const plan = await usage.flush();
      if (plan.result === 0) {
        return;
      }
      await this.#commit("keys.record_usage", "", plan);
      left -= plan.result;
    }
  }

  async #commit(operation: string, name: string, plan: Plan<unknown>): Promise<void> {
    const { committer, clock } = this.#parts;
    try {
      await committer.submit(ownEntry(operation, name === "" ? "" : `key/${name}`, clock()), plan);
    } finally {
      plan.discard();
    }
  }

  /** @param onFailed Called when the work was not done, whoever was faster or whatever went wrong. */
  async #attempt(work: () => Promise<void>, onFailed: () => void = () => {}): Promise<void> {
    try {
      await work();
    } catch (error) {
      onFailed();
      // Somebody changed the key meanwhile: the next round looks again.
      if (!(error instanceof RevisionConflict)) {
        this.#parts.onFailure(error);
      }
    }
  }
}
