import { type AuditRecord, decodeEntry } from "./entry.ts";
import type { AuditLog } from "./log.ts";
import { decodeBatch } from "./log.ts";
import { besidePruning } from "./pruning.ts";

/** Payloads of stored batches, the newest first, beginning with the one that holds the entry before this index. */
export type BatchSource = (before: number | undefined) => AsyncIterable<Buffer>;

/** Which entries to show. All that is given must fit. */
export interface AuditFilter {
  readonly operation?: string;
  readonly resource?: string;
  /** A token's id or display name. */
  readonly identity?: string;
  readonly outcome?: string;
  readonly requestId?: string;
  /** Milliseconds since 1970, inclusive. */
  readonly since?: number;
  /** Milliseconds since 1970, exclusive. */
  readonly until?: number;
}

/** An entry with its place in the log. */
export interface IndexedRecord extends AuditRecord {
  readonly index: number;
}

/** A page of entries, the newest first. */
export interface AuditPage {
  readonly entries: readonly IndexedRecord[];
  /** Where the next page begins; undefined when there is nothing older. */
  readonly next: number | undefined;
  readonly size: number;
  /** Entries before this index were pruned, and are not among them. */
  readonly pruned: number;
  /** The tree's root, 32 bytes. */
  readonly root: Buffer;
}

/** One call looks at no more entries than this; a page may therefore be short and still have a next one. */
const SCANNED = 20_000;

/** Reads the log back. */
export class AuditReader {
  readonly #batches: BatchSource;
  readonly #log: AuditLog;
  readonly #pruned: () => number;

  /** @param pruned Index of the first entry that the store still has. */
  constructor(batches: BatchSource, log: AuditLog, pruned: () => number = () => 0) {
    this.#batches = batches;
    this.#log = log;
    this.#pruned = pruned;
  }

  /**
   * Entries before this index (undefined: from the newest) that fit the filter.
   * @throws RangeError when a batch on the way is missing or damaged.
   */
  async list(filter: AuditFilter, before: number | undefined, limit: number): Promise<AuditPage> {
    return besidePruning(this.#pruned, (pruned) => this.#list(filter, before, limit, pruned));
  }

  async #list(filter: AuditFilter, before: number | undefined, limit: number, first: number): Promise<AuditPage> {
    const { size } = this.#log.frontier;
    const whole = { size, pruned: first, root: this.#log.frontier.root() };
    const start = Math.min(before ?? size, size);
    const entries: IndexedRecord[] = [];
    if (start <= first) {
      return { ...whole, entries, next: undefined };
    }
    let next: number | undefined;
    for await (const payload of this.#batches(start)) {
      const batch = decodeBatch(payload);
      // Each batch ends where the one after it begins; the first that is read holds the entry before `start`.
      const end = batch.first + batch.entries.length;
      if (next === undefined ? batch.first >= start || end < start : end !== next) {
        throw new RangeError("a batch of the audit log is missing");
      }
      next = batch.first;
      for (let i = Math.min(batch.entries.length, start - batch.first) - 1; i >= 0; i--) {
        const index = batch.first + i;
        const record = decodeEntry(batch.entries[i] as Buffer);
        if (index < first || (filter.since !== undefined && record.time < filter.since - CLOCK_STEP)) {
          return { ...whole, entries, next: undefined };
        }
        if (fits(record, filter)) {
          entries.push({ ...record, index });
        }
        if (index > first && (entries.length === limit || start - index >= SCANNED)) {
          return { ...whole, entries, next: index };
        }
      }
      if (next <= first) {
        return { ...whole, entries, next: undefined };
      }
    }
    throw new RangeError("the beginning of the audit log is missing");
  }
}

/** Entries are in the order of their commits, times may lag by the length of a call or a step of the clock: an hour. */
const CLOCK_STEP = 3_600_000;

function fits(record: AuditRecord, filter: AuditFilter): boolean {
  return (
    (filter.operation === undefined || record.operation === filter.operation) &&
    (filter.resource === undefined || record.resource === filter.resource) &&
    (filter.identity === undefined ||
      record.identity?.id === filter.identity ||
      record.identity?.name === filter.identity) &&
    (filter.outcome === undefined || record.outcome === filter.outcome) &&
    (filter.requestId === undefined || record.requestId === filter.requestId) &&
    (filter.since === undefined || record.time >= filter.since) &&
    (filter.until === undefined || record.time < filter.until)
  );
}
