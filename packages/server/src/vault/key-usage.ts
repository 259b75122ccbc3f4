import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type KeyUsageRecord, KeyUsageRecordSchema, VersionUsageSchema } from "@bunkms/contract/record";
import { equal } from "../crypto/kdf.ts";
import { Lru } from "./lru.ts";
import { versionPath } from "./named-records.ts";
import type { Plan } from "./plan.ts";
import type { RecordRef, Records } from "./records.ts";

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

/** What one key's uses add to its record. */
type Uses = Map<number, { lastUsedAt: number; uses: number }>;

/** A record that was to be written, and the uses in it that were pending before. */
interface Attempt {
  readonly payload: Uint8Array;
  readonly counts: ReadonlyMap<number, number>;
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
  /** Flushes that may or may not have been written: what the store holds tells, when it is read next. */
  readonly #attempts = new Map<string, Attempt[]>();
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
        uses: before + pending.uses,
      });
    }
    return uses;
  }

  /** What is written of a key's use. Uses that are not written yet are missing, budgets are not. */
  async stored(id: string): Promise<KeyUsageRecord> {
    return (await this.#get(id)).record;
  }

  /** Takes over how a key was used before it was restored. What is known of it here is never lessened. */
  async restore(id: string, backup: KeyUsageRecord): Promise<Plan<undefined>> {
    const { record, ref } = await this.#get(id);
    let next = record;
    for (const { version, lastUsedAtMs, uses, reserved } of backup.versions) {
      next = changed(next, version, (use) => {
        use.lastUsedAtMs = larger(use.lastUsedAtMs, lastUsedAtMs);
        use.uses = larger(use.uses, uses);
        use.reserved = larger(use.reserved, reserved);
      });
    }
    return this.#plan([[id, next, ref]], undefined, () => {});
  }

  /**
   * Spends a part of a version's budget of messages.
   * @param name The key's, for {@link takeNearlySpent}.
   * @param budget At most so many messages in all.
   * @param count Messages to spend now, at most {@link BLOCK}.
   * @returns undefined when they were reserved already; else what reserves more, to be committed before the messages leave.
   * @throws BunkmsError `wrong_key_state` when the budget is used up.
   */
  async spend(
    { id, name }: { readonly id: string; readonly name: string },
    version: number,
    budget: number,
    count: number,
  ): Promise<Plan<undefined> | undefined> {
    const path = versionPath(id, version);
    if (this.#take(path, count)) {
      return undefined;
    }
    const { record, ref } = await this.#get(id);
    if (this.#take(path, count)) {
      return undefined;
    }
    const reserved = Number(record.versions.find((use) => use.version === version)?.reserved ?? 0n);
    if (reserved + BLOCK > budget) {
      throw new BunkmsError(
        "wrong_key_state",
        `version ${version} has encrypted all the messages that its type allows: rotate the key`,
      );
    }
    const next = changed(record, version, (use) => {
      use.reserved += BigInt(BLOCK);
    });
    return this.#plan([[id, next, ref]], undefined, () => {
      this.#blocks.set(path, BLOCK - count);
      if (reserved + BLOCK > budget * NEARLY) {
        this.noteNearlySpent({ name, version });
      }
    });
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

  /** What writes the uses counted so far, of the 500 keys that have waited longest. @returns How many keys those are. */
  async flush(): Promise<Plan<number>> {
    const records: [string, KeyUsageRecord, RecordRef | null][] = [];
    const written: [string, ReadonlyMap<number, number>][] = [];
    for (const id of [...this.#pending.keys()].slice(0, FLUSHED_KEYS)) {
      const { record, ref } = await this.#get(id);
      const counts = new Map<number, number>();
      let next = record;
      for (const [version, { lastUsedAt, uses }] of this.#pending.get(id) ?? []) {
        counts.set(version, uses);
        next = changed(next, version, (use) => {
          use.lastUsedAtMs = larger(use.lastUsedAtMs, BigInt(lastUsedAt));
          use.uses += BigInt(uses);
        });
      }
      if (counts.size > 0) {
        records.push([id, next, ref]);
        written.push([id, counts]);
      }
    }
    const plan = this.#plan(records, records.length, () => {
      for (const [id, counts] of written) {
        this.#subtract(id, counts);
      }
    });
    for (const [i, [id, counts]] of written.entries()) {
      const attempt = { payload: plan.changes[i]?.payload as Uint8Array, counts };
      this.#attempts.set(id, [...(this.#attempts.get(id) ?? []), attempt]);
    }
    return plan;
  }

  /** What was written is no longer pending; what was counted meanwhile still is. */
  #subtract(id: string, counts: ReadonlyMap<number, number>): void {
    const pending = this.#pending.get(id);
    for (const [version, count] of counts) {
      const use = pending?.get(version);
      if (use !== undefined) {
        use.uses -= count;
        if (use.uses === 0) {
          pending?.delete(version);
        }
      }
    }
    this.#pending.delete(id);
    if (pending !== undefined && pending.size > 0) {
      // At the end again: others have waited longer.
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

  #plan<T>(
    records: readonly (readonly [string, KeyUsageRecord, RecordRef | null])[],
    result: T,
    done: () => void,
  ): Plan<T> {
    return {
      result,
      changes: records.map(([id, record, ref]) => ({
        table: "key-usage",
        path: id,
        payload: toBinary(KeyUsageRecordSchema, record),
        previous: ref,
      })),
      committed: (refs) => {
        this.#changes += 1;
        for (const [i, [id, record]] of records.entries()) {
          this.#stored.set(id, { record, ref: refs[i] as RecordRef });
          this.#attempts.delete(id);
        }
        done();
      },
      discard: () => {},
    };
  }

  async #get(id: string): Promise<Stored> {
    const cached = this.#stored.get(id);
    if (cached !== undefined) {
      return cached;
    }
    const changes = this.#changes;
    const stored = await this.#records.read("key-usage", id);
    const read: Stored =
      stored === undefined
        ? { record: create(KeyUsageRecordSchema), ref: null }
        : { record: fromBinary(KeyUsageRecordSchema, stored.payload), ref: stored.ref };
    if (changes === this.#changes) {
      this.#settle(id, stored?.payload);
      this.#stored.set(id, read);
    }
    return read;
  }

  /** Finds out which flush was written although its commit seemed to fail. */
  #settle(id: string, payload: Uint8Array | undefined): void {
    const written = this.#attempts.get(id)?.find((attempt) => payload !== undefined && equal(attempt.payload, payload));
    this.#attempts.delete(id);
    if (written !== undefined) {
      this.#subtract(id, written.counts);
    }
  }
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

/** A copy in which one version's usage is changed; records in the cache stay as they are. */
function changed(
  record: KeyUsageRecord,
  version: number,
  change: (use: { lastUsedAtMs: bigint; uses: bigint; reserved: bigint }) => void,
): KeyUsageRecord {
  const before = record.versions.find((use) => use.version === version);
  const use =
    before === undefined ? create(VersionUsageSchema, { version }) : create(VersionUsageSchema, { ...before });
  change(use);
  const others = record.versions.filter((other) => other !== before);
  return create(KeyUsageRecordSchema, { versions: [...others, use].sort((a, b) => a.version - b.version) });
}
