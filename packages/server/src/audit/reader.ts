import { type AuditRecord, decodeEntry } from "./entry.ts";
import { type AuditLog, type Batch, decodeBatch } from "./log.ts";
import type { Mark } from "./lot-terms.ts";
import { besidePruning } from "./pruning.ts";
import type { SearchIndex } from "./search-index.ts";
import { CLOCK_STEP, type Span, spans } from "./spans.ts";

/** The payloads of stored batches. */
export interface BatchSource {
  /** The newest first, beginning with the one that holds the entry before this index. */
  newestFirst(before: number): AsyncIterable<Buffer>;
  /** Those that hold these entries, given the newest first, each once and in that order. */
  holding(indexes: readonly number[]): AsyncIterable<Buffer>;
}

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
/** To ask where an entry lies takes as long as to look at so many, and so many are opened, with their batch, while one is looked at. */
const ASKED = 8;
const OPENED = 8;
/** So many entries that may fit are looked up at once: batches of some MiB at most, and a few milliseconds. */
const READ_AT_ONCE = 32;

interface FoundEntry {
  readonly index: number;
  readonly bytes: Buffer;
  /** What it took to find it, counted in entries that are looked at. */
  readonly effort: number;
}

/** What a reader reads. */
interface ReaderParts {
  readonly batches: BatchSource;
  readonly log: AuditLog;
  /** Without one all entries are looked at. */
  readonly index?: Pick<SearchIndex, "find">;
  /** Index of the first entry that the store still has. */
  readonly pruned: () => number;
}

/** Reads the log back. */
export class AuditReader {
  readonly #parts: ReaderParts;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /**
   * Entries before this index (undefined: from the newest) that fit the filter.
   * @throws RangeError when a batch on the way is missing or damaged.
   */
  async list(filter: AuditFilter, before: number | undefined, limit: number): Promise<AuditPage> {
    return besidePruning(this.#parts.pruned, (pruned) => this.#list(filter, before, limit, pruned));
  }

  async #list(filter: AuditFilter, before: number | undefined, limit: number, first: number): Promise<AuditPage> {
    const { log, index } = this.#parts;
    const { size } = log.frontier;
    const whole = { size, pruned: first, root: log.frontier.root() };
    const start = Math.min(before ?? size, size);
    const entries: IndexedRecord[] = [];
    let looked = 0;
    for await (const span of spans(
      { first, end: start, since: filter.since, until: filter.until, marks: marksOf(filter) },
      index,
    )) {
      for await (const found of span.at === undefined ? this.#all(span) : this.#some(span.at)) {
        const record = decodeEntry(found.bytes);
        if (span.at === undefined && filter.since !== undefined && record.time < filter.since - CLOCK_STEP) {
          return { ...whole, entries, next: undefined };
        }
        if (fits(record, filter)) {
          entries.push({ ...record, index: found.index });
        }
        looked += found.effort;
        if (found.index > first && (entries.length === limit || looked >= SCANNED)) {
          return { ...whole, entries, next: found.index };
        }
      }
      if (span.isLast) {
        return { ...whole, entries, next: span.from > first ? span.from : undefined };
      }
    }
    return { ...whole, entries, next: undefined };
  }

  /** The entries of a span, the newest first. @throws RangeError when one is missing. */
  async *#all({ from, end }: Span): AsyncIterable<FoundEntry> {
    let next = end;
    for await (const payload of this.#parts.batches.newestFirst(end)) {
      const batch = decodeBatch(payload);
      // Each batch ends where the one after it begins; the first that is read holds the entry before the end.
      const last = batch.first + batch.entries.length;
      if (next === end ? batch.first >= end || last < end : last !== next) {
        throw new RangeError("a batch of the audit log is missing");
      }
      for (let index = Math.min(last, end) - 1; index >= Math.max(batch.first, from); index--) {
        yield { index, bytes: entryOf(batch, index), effort: 1 };
      }
      next = batch.first;
      if (next <= from) {
        return;
      }
    }
    throw new RangeError("the beginning of the audit log is missing");
  }

  /** These entries, in their order. @throws RangeError when one is missing. */
  async *#some(indexes: readonly number[]): AsyncIterable<FoundEntry> {
    for (let at = 0; at < indexes.length; at += READ_AT_ONCE) {
      const some = indexes.slice(at, at + READ_AT_ONCE);
      const wanted = some.values();
      let { value: index } = wanted.next();
      for await (const payload of this.#parts.batches.holding(some)) {
        const batch = decodeBatch(payload);
        for (let opened = batch.entries.length / OPENED; index !== undefined && holds(batch, index); opened = 0) {
          yield { index, bytes: entryOf(batch, index), effort: ASKED + opened };
          index = wanted.next().value;
        }
      }
      if (index !== undefined) {
        throw new RangeError("a batch of the audit log is missing");
      }
    }
  }
}

function holds({ first, entries }: Batch, index: number): boolean {
  return first <= index && index < first + entries.length;
}

function entryOf(batch: Batch, index: number): Buffer {
  return batch.entries[index - batch.first] as Buffer;
}

/** What the index knows of the filter. */
function marksOf({ identity, resource }: AuditFilter): readonly Mark[] {
  return [
    ...(identity === undefined ? [] : [{ field: "identity", value: identity } as const]),
    ...(resource === undefined ? [] : [{ field: "resource", value: resource } as const]),
  ];
}

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
