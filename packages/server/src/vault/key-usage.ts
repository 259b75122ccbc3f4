import { create, fromBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type KeyUsageRecord, KeyUsageRecordSchema } from "@bunkms/contract/record";
import { StoreUnavailable } from "../store/store.ts";
import { Lru } from "./lru.ts";
import { versionPath } from "./named-records.ts";
import type { Plan } from "./plan.ts";
import type { RecordRef, Records } from "./records.ts";
import { Reservations } from "./reservations.ts";
import { type UsageAttempt, UsageAttempts, type UsageWriting, usageWriting } from "./usage-attempts.ts";
import { larger, MOST_USES, withUsage } from "./usage-record.ts";

/** How one version of a key was used. */
export interface VersionUse {
  /** The minute of the last use, in milliseconds since 1970; 0: never. */
  readonly lastUsedAt: number;
  readonly uses: number;
}

interface Stored {
  readonly record: KeyUsageRecord;
  readonly ref: RecordRef | null;
}

/** What one key's uses add to its record, by version. */
type Uses = Map<number, { lastUsedAt: number; uses: number }>;

/** What a flush writes. */
export interface Flushed {
  /** Keys that it took care of: those with a failure are told, and come last in the next one. */
  readonly keys: number;
  readonly failures: readonly unknown[];
}

/** A version that has nearly spent its budget. */
export interface NearlySpent {
  readonly name: string;
  readonly version: number;
}

const MINUTE = 60_000;
const CACHED = 10_000;
/** The most keys whose uses go into one commit. */
const FLUSHED_KEYS = 500;

/**
 * So many messages of a budget are reserved on disk at once, so that not each of them costs a write. What a crash leaves
 * unused of a block is lost: 65,536 starts use up a budget of 2^32.
 */
const BLOCK = 2 ** 16;
/** A budget that is used up so far lets its key rotate by itself. */
const NEARLY = 7 / 8;

/**
 * When and how often each version is used, to the minute, and how much of its budget is left. Uses are counted in
 * memory and written once a minute; a budget is reserved on disk before any of it is spent.
 */
export class KeyUsage {
  readonly #records: Records;
  readonly #stored = new Lru<Stored>(CACHED);
  readonly #pending = new Map<string, Uses>();
  /** Messages left of the reserved block, by path of the version. */
  readonly #blocks = new Map<string, number>();
  readonly #nearlySpent = new Map<string, NearlySpent>();
  readonly #reservations = new Reservations();
  readonly #attempts = new UsageAttempts();
  #changes = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Forgets what was cached, but not the uses that are not written yet. */
  forget(): void {
    this.#changes += 1;
    this.#stored.clear();
    this.#blocks.clear();
  }

  /** Counts uses of a version. @param id The key's, 32 hexadecimal digits. */
  note(id: string, version: number, now: number, count = 1): void {
    let uses = this.#pending.get(id);
    if (uses === undefined) {
      uses = new Map();
      this.#pending.set(id, uses);
    }
    const before = uses.get(version);
    if (before === undefined) {
      uses.set(version, { lastUsedAt: now - (now % MINUTE), uses: count });
    } else {
      // A slow use that began earlier may end later.
      before.lastUsedAt = Math.max(before.lastUsedAt, now - (now % MINUTE));
      before.uses += count;
    }
  }

  /** How the versions of a key were used, those never used left out. */
  async of(id: string): Promise<ReadonlyMap<number, VersionUse>> {
    const uses = new Map<number, VersionUse>();
    for (const { version, uses: count, lastUsedAtMs } of (await this.#get(id)).record.versions) {
      if (count > 0n) {
        uses.set(version, { lastUsedAt: Number(lastUsedAtMs), uses: Number(count) });
      }
    }
    for (const [version, pending] of this.#pending.get(id) ?? []) {
      const { lastUsedAt = 0, uses: before = 0 } = uses.get(version) ?? {};
      uses.set(version, {
        lastUsedAt: Math.max(lastUsedAt, pending.lastUsedAt),
        uses: Math.min(before + pending.uses, Number(MOST_USES)),
      });
    }
    return uses;
  }

  /** What is written of a key's use. Uses that are not written yet are missing, budgets are not. */
  async stored(id: string): Promise<KeyUsageRecord> {
    return (await this.#get(id)).record;
  }

  /**
   * Takes over how a key was used before it was restored. What is known of it here is never lessened.
   * @param latest The latest version, if its type has a budget: what was spent of it after the backup is not known unless
   * the key was here, so that it is taken for nearly spent.
   */
  async restore(id: string, backup: KeyUsageRecord, latest?: NearlySpent): Promise<Plan<undefined>> {
    const { record, ref } = await this.#get(id);
    const next = withUsage(
      record,
      backup.versions.map(({ version, lastUsedAtMs, uses, reserved }) => [
        version,
        (use) => {
          use.lastUsedAtMs = larger(use.lastUsedAtMs, lastUsedAtMs);
          use.uses = larger(use.uses, uses);
          use.reserved = larger(use.reserved, reserved);
        },
      ]),
    );
    return this.#plan([usageWriting(id, next, ref)], undefined, {
      done: () => {
        if (ref === null && latest !== undefined) {
          this.noteNearlySpent(latest);
        }
      },
    });
  }

  /**
   * Spends a part of a version's budget of messages. While a reservation for the key is under way, it waits for that.
   * @param name The key's, for {@link takeNearlySpent}.
   * @param budget At most so many messages in all.
   * @param count Messages to spend now, at most {@link BLOCK}.
   * @returns undefined when they were reserved already; else what reserves more, to be committed before the messages
   * leave. Others wait until it is committed or discarded, which may happen more than once.
   * @throws BunkmsError `wrong_key_state` when the budget is used up.
   */
  async spend(
    { id, name }: { readonly id: string; readonly name: string },
    version: number,
    budget: number,
    count: number,
  ): Promise<Plan<undefined> | undefined> {
    const path = versionPath(id, version);
    for (;;) {
      if (this.#take(path, count)) {
        return undefined;
      }
      const underWay = this.#reservations.underWay(id);
      if (underWay === undefined) {
        break;
      }
      // What it reserves may be gone when this one's turn comes.
      await underWay;
    }
    const end = this.#reservations.begin(id);
    try {
      const { record, ref } = await this.#get(id);
      const reserved = Number(record.versions.find((use) => use.version === version)?.reserved ?? 0n);
      if (reserved + BLOCK > budget) {
        throw new BunkmsError(
          "wrong_key_state",
          `version ${version} has encrypted all the messages that its type allows: rotate the key`,
        );
      }
      const reserveMore = (use: { reserved: bigint }): void => {
        use.reserved += BigInt(BLOCK);
      };
      const next = withUsage(record, [[version, reserveMore]]);
      return this.#plan([usageWriting(id, next, ref)], undefined, {
        done: () => {
          this.#blocks.set(path, BLOCK - count);
          if (reserved + BLOCK > budget * NEARLY) {
            this.noteNearlySpent({ name, version });
          }
          end();
        },
        over: end,
      });
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Versions that have nearly spent their budget, as far as was noticed since the last call. */
  takeNearlySpent(): readonly NearlySpent[] {
    const versions = [...this.#nearlySpent.values()];
    this.#nearlySpent.clear();
    return versions;
  }

  /** Says so once more, when nothing could be done about it. */
  noteNearlySpent(spent: NearlySpent): void {
    this.#nearlySpent.set(spent.name, spent);
  }

  /** How many keys have uses that are not written yet. */
  get unwritten(): number {
    return this.#pending.size;
  }

  /**
   * What writes the uses counted so far, of the 500 keys that have waited longest.
   * @throws StoreUnavailable
   */
  async flush(): Promise<Plan<Flushed>> {
    const attempts: UsageAttempt[] = [];
    const failures: unknown[] = [];
    for (const id of this.#pending.keys().take(FLUSHED_KEYS).toArray()) {
      try {
        const attempt = await this.#attempt(id);
        if (attempt !== undefined) {
          attempts.push(attempt);
        }
      } catch (error) {
        if (error instanceof StoreUnavailable) {
          throw error;
        }
        failures.push(error);
        this.#postpone(id);
      }
    }
    for (const attempt of attempts) {
      this.#attempts.add(attempt);
    }
    const writings = attempts.map(({ writing }) => writing);
    return this.#plan(
      writings,
      { keys: attempts.length + failures.length, failures },
      {
        done: () => {
          for (const attempt of attempts) {
            this.#subtract(attempt);
          }
        },
        over: () => {
          for (const attempt of attempts) {
            attempt.isOver = true;
          }
        },
      },
    );
  }

  /** A key's part of a flush, if anything of it is pending. */
  async #attempt(id: string): Promise<UsageAttempt | undefined> {
    if (this.#attempts.areOver(id)) {
      // The store tells what became of them.
      this.#stored.delete(id);
    }
    const { record, ref } = await this.#get(id);
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      return undefined;
    }
    const counts = new Map(pending.entries().map(([version, { uses }]) => [version, uses]));
    const next = withUsage(
      record,
      pending.entries().map(([version, { lastUsedAt, uses }]) => [
        version,
        (use) => {
          use.lastUsedAtMs = larger(use.lastUsedAtMs, BigInt(lastUsedAt));
          use.uses += BigInt(uses);
        },
      ]),
    );
    return { writing: usageWriting(id, next, ref), counts, isOver: false, isCounted: false };
  }

  /** What was written is no longer pending; what was counted meanwhile still is. */
  #subtract(attempt: UsageAttempt): void {
    const { id } = attempt.writing;
    if (attempt.isCounted) {
      return;
    }
    attempt.isCounted = true;
    const pending = this.#pending.get(id);
    for (const [version, count] of attempt.counts) {
      const use = pending?.get(version);
      if (use !== undefined) {
        use.uses -= count;
        if (use.uses === 0) {
          pending?.delete(version);
        }
      }
    }
    this.#postpone(id);
  }

  /** What is pending of a key comes last: others have waited longer. */
  #postpone(id: string): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (pending !== undefined && pending.size > 0) {
      this.#pending.set(id, pending);
    }
  }

  #take(path: string, count: number): boolean {
    const left = this.#blocks.get(path) ?? 0;
    if (left < count) {
      return false;
    }
    this.#blocks.set(path, left - count);
    return true;
  }

  /** @param done Called when it is committed. @param over Called when it is discarded, perhaps more than once. */
  #plan<T>(
    writings: readonly UsageWriting[],
    result: T,
    { done, over = () => {} }: { readonly done: () => void; readonly over?: () => void },
  ): Plan<T> {
    return {
      result,
      changes: writings.map(({ id, payload, ref }) => ({ table: "key-usage", path: id, payload, previous: ref })),
      committed: (refs) => {
        this.#changes += 1;
        for (const [i, { id, record }] of writings.entries()) {
          this.#stored.set(id, { record, ref: refs[i] as RecordRef });
          this.#attempts.forget(id);
        }
        done();
      },
      discard: over,
    };
  }

  async #get(id: string): Promise<Stored> {
    for (;;) {
      const cached = this.#stored.get(id);
      if (cached !== undefined) {
        return cached;
      }
      const changes = this.#changes;
      const stored = await this.#records.read("key-usage", id);
      // What was read while something was written may be older than that.
      if (changes === this.#changes) {
        const read: Stored =
          stored === undefined
            ? { record: create(KeyUsageRecordSchema), ref: null }
            : { record: fromBinary(KeyUsageRecordSchema, stored.payload), ref: stored.ref };
        const written = this.#attempts.settle(id, stored?.payload);
        if (written !== undefined) {
          this.#subtract(written);
        }
        this.#stored.set(id, read);
        return read;
      }
    }
  }
}
