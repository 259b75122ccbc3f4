import { setImmediate } from "node:timers/promises";
import type { Tokens } from "../access/tokens.ts";
import { ownEntry } from "../audit/entry.ts";
import { RevisionConflict } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import type { Vault } from "../vault/vault.ts";
import { removePruned } from "./audit-batches.ts";
import type { Committer } from "./committer.ts";

/** What the periodic work works with. */
interface PeriodicParts {
  readonly vault: Pick<Vault, "keys" | "usage" | "imports" | "records" | "retention" | "idempotency" | "attachments">;
  readonly tokens: Pick<Tokens, "expired">;
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
/** So many commits at most remove pruned batches in one round: a date that was promised does not wait for a whole log. */
const PRUNINGS_PER_ROUND = 256;
/** So many commits at most remove parts of removed attachments in one round: those of the largest one in a minute. */
const PART_REMOVALS_PER_ROUND = 32;
/** So many commits at most, of 256 each, remove the answers of earlier days in one flush. */
const CLEANINGS_PER_FLUSH = 512;
/** So many commits at most, of 256 each, remove expired tokens in one flush. */
const TOKEN_REMOVALS_PER_FLUSH = 32;

/**
 * What the server does by itself: rotations and destructions that are due, and the writing of usage counts. Whether
 * something is due is in the store, and doing it is a conditional write: a restart forgets nothing and does nothing twice.
 */
export class Periodic {
  readonly #parts: PeriodicParts;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isStopping = false;
  #flushedAt: number;
  /** The last key that was taken care of, when more were due than one round takes; empty: begin with the first. */
  #lastKey = "";
  /** Audit batches before this index were found to be removed, so that the rest is not asked for in each round to see it. */
  #removed = 0;

  constructor(parts: PeriodicParts) {
    this.#parts = parts;
    this.#flushedAt = parts.clock();
  }

  start(): void {
    this.#timer = setInterval(() => {
      // What is due when a slow round ends is the next tick's affair.
      this.#round ??= this.round().finally(() => {
        this.#round = undefined;
      });
    }, ROUND_MS);
  }

  /** Ends the work, for good, once what is under way for one key is done, and writes what was counted. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await this.#round;
    await this.#attempt(() => this.#flush());
  }

  /** Does what is due now. */
  async round(): Promise<void> {
    const { vault, clock } = this.#parts;
    const now = clock();
    await this.#each(this.#dueKeys(now), async (name) => {
      // A destruction has a date that was promised; a rotation may fail again and again.
      await this.#attempt(() => this.#commitIfAny("keys.destroy", name, vault.keys.destroyDue(name, now)));
      await this.#attempt(() => this.#commitIfAny("keys.rotate", name, vault.keys.rotateDue(name, now)));
    });
    await this.#each(vault.usage.takeNearlySpent(), (spent) =>
      this.#attempt(
        () => this.#commitIfAny("keys.rotate", spent.name, vault.keys.rotateSpent(spent.name, spent.version, now)),
        () => vault.usage.noteNearlySpent(spent),
      ),
    );
    await this.#attempt(() => this.#prune());
    await this.#attempt(() => this.#removeParts());
    // Also when the clock was set back, since it might be a long time until it is there again.
    if (Math.abs(now - this.#flushedAt) >= FLUSH_MS && !this.#isStopping) {
      this.#flushedAt = now;
      await this.#attempt(() => this.#flush());
      await this.#attempt(() => this.#commitIfAny("keys.expire_imports", "", vault.imports.expired(now)));
      await this.#attempt(() => this.#removeTokens(now));
      await this.#attempt(() => this.#forgetAnswers(now));
    }
  }

  /** Removes expired tokens: each page of a list, and each revocation, looks at all there are. */
  async #removeTokens(now: number): Promise<void> {
    await this.#inSteps(TOKEN_REMOVALS_PER_FLUSH, async () => {
      const plan = await this.#parts.tokens.expired(now);
      if (plan !== undefined) {
        await this.#commit("tokens.remove_expired", `count/${plan.result}`, plan);
      }
      return plan !== undefined;
    });
  }

  /** Removes answers that are not given again: more of them at once than calls could leave meanwhile. */
  async #forgetAnswers(now: number): Promise<void> {
    await this.#inSteps(CLEANINGS_PER_FLUSH, () => this.#parts.vault.idempotency.clean(now));
  }

  /** Removes audit batches that are pruned: that they are is recorded, so that a restart goes on with it. */
  async #prune(): Promise<void> {
    const { records, retention } = this.#parts.vault;
    const { pruned } = retention.current;
    if (pruned > this.#removed && !(await this.#inSteps(PRUNINGS_PER_ROUND, () => removePruned(records, pruned)))) {
      this.#removed = pruned;
    }
  }

  /** Removes parts of attachments that were removed: that they were is recorded, so that a restart goes on with it. */
  async #removeParts(): Promise<void> {
    await this.#inSteps(PART_REMOVALS_PER_ROUND, () => this.#parts.vault.attachments.removeParts());
  }

  /**
   * Takes so many steps at most, of one commit each, until none is left or the work is to end.
   * @param step Tells whether there may be more.
   * @returns Likewise.
   */
  async #inSteps(most: number, step: () => Promise<boolean>): Promise<boolean> {
    for (let taken = 0; taken < most && !this.#isStopping; taken++) {
      if (!(await step())) {
        return false;
      }
      // A store may answer without a turn of the event loop: calls come in between only if they are let.
      await setImmediate();
    }
    return true;
  }

  /** The next keys with something due, by name, so that some that fail in each round do not keep the others waiting. */
  #dueKeys(now: number): readonly string[] {
    const names = this.#parts.vault.keys.due(now, KEYS_PER_ROUND, this.#lastKey);
    this.#lastKey = names.length < KEYS_PER_ROUND ? "" : (names.at(-1) ?? "");
    return names;
  }

  /** One after the other, until the work is to end. */
  async #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    for (const item of items) {
      if (this.#isStopping) {
        return;
      }
      await work(item);
    }
  }

  async #commitIfAny(operation: string, name: string, planned: Promise<Plan<unknown> | undefined>): Promise<void> {
    const plan = await planned;
    if (plan !== undefined) {
      await this.#commit(operation, name === "" ? "" : `key/${name}`, plan);
    }
  }

  async #flush(): Promise<void> {
    const { usage } = this.#parts.vault;
    for (let left = usage.unwritten; left > 0; ) {
      const plan = await usage.flush();
      const { keys, failures } = plan.result;
      for (const failure of failures) {
        this.#parts.onFailure(failure);
      }
      if (keys === 0) {
        return;
      }
      if (plan.changes.length > 0) {
        await this.#commit("keys.record_usage", "", plan);
      }
      left -= keys;
    }
  }

  async #commit(operation: string, resource: string, plan: Plan<unknown>): Promise<void> {
    const { committer, clock } = this.#parts;
    try {
      await committer.submit(ownEntry(operation, resource, clock()), plan);
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
