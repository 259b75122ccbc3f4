import { setImmediate } from "node:timers/promises";
import type { FilledTile } from "../audit/edges.ts";
import { BATCH_PREFIX, batchPath, decodeBatch, tileRecordPath } from "../audit/log.ts";
import { lotOf } from "../audit/lot-terms.ts";
import type { BatchSource } from "../audit/reader.ts";
import type { TreeStore } from "../audit/tree.ts";
import type { ListOptions } from "../store/store.ts";
import type { Aside } from "../vault/asides.ts";
import { RecordDamaged } from "../vault/record.ts";
import type { OpenedRecord, Records } from "../vault/records.ts";
import { removeLotsBefore } from "./audit-lots.ts";

const PAGE = 64;
const FIRST_PAGE = 4;

/** A stored batch, opened, with the generation that it carries. */
export interface StoredBatch {
  readonly payload: Buffer;
  readonly generation: number;
}

/** The last one; undefined in a log without entries. */
export async function lastBatch(records: Records): Promise<StoredBatch | undefined> {
  const [last] = await records.list("audit", { prefix: BATCH_PREFIX, reverse: true, limit: 1 });
  return last && { payload: last.payload, generation: last.ref.version };
}

/** The stored batches, for reading the log back. */
export function auditBatches(records: Records): BatchSource {
  return {
    newestFirst: (before) => newestFirst(records, before),
    async *holding(indexes) {
      const paths = await Promise.all(indexes.map((index) => records.firstPath("audit", holderOf(index))));
      yield* payloadsOf(
        records,
        [...new Set(paths)].filter((path) => path !== undefined),
      );
    },
  };
}

/** A damaged one is met only when all before it were taken, as by `openSome`. */
async function* payloadsOf(records: Records, paths: readonly string[]): AsyncIterable<Buffer> {
  let opened: readonly OpenedRecord[];
  try {
    opened = await records.readMany("audit", paths);
  } catch (error) {
    if (!(error instanceof RecordDamaged) || paths.length === 1) {
      throw error;
    }
    for (const path of paths) {
      yield* payloadsOf(records, [path]);
    }
    return;
  }
  for (const { payload } of opened) {
    yield payload;
  }
}

async function* newestFirst(records: Records, before: number): AsyncIterable<Buffer> {
  let page = await records.list("audit", { ...holderOf(before - 1), limit: 1 });
  for (let after = page.at(-1)?.path; after !== undefined; after = page.at(-1)?.path) {
    for (const batch of page) {
      yield batch.payload;
    }
    page = await openSome(records, { after, reverse: true, limit: PAGE });
  }
}

/** Where a listing begins with the batch that holds an entry: the first whose last entry is not before that one. */
function holderOf(index: number): Omit<ListOptions, "limit"> {
  return { prefix: BATCH_PREFIX, ...(index === 0 ? {} : { after: batchPath(index - 1) }) };
}

/** Where entries lie that are not in the store any more. */
export interface Archive {
  /** They are those before this index. */
  pruned(): number;
  readBundle(index: number): Promise<Buffer | undefined>;
}

/** Where the log's entries and tiles lie, for reading its tree. */
export function treeStore(records: Records, archive: Archive): TreeStore {
  return {
    async tile(level, index) {
      try {
        return (await records.read("audit-tile", tileRecordPath(level, index)))?.payload;
      } catch (error) {
        if (error instanceof RecordDamaged) {
          // It is made again from what it is derived from.
          return undefined;
        }
        throw error;
      }
    },
    keepTile: (tile) => records.keep([tileRecord(tile)]),
    entries: (first, end) => readEntries(records, first, end),
    get pruned() {
      return archive.pruned();
    },
    archivedBundle: (index) => archive.readBundle(index),
  };
}

/** The record of a tile. */
export function tileRecord({ level, index, hashes }: FilledTile): Aside {
  return { table: "audit-tile", path: tileRecordPath(level, index), payload: Buffer.concat(hashes) };
}

/**
 * The next batches, opened, so many at most; none at the end. A damaged one is met only when all before it were taken, since
 * who reads ahead may not need it.
 */
async function openSome(
  records: Records,
  range: { readonly after?: string; readonly reverse?: boolean; readonly limit: number },
): ReturnType<Records["list"]> {
  try {
    return await records.list("audit", { prefix: BATCH_PREFIX, ...range });
  } catch (error) {
    if (!(error instanceof RecordDamaged) || range.limit === 1) {
      throw error;
    }
    return records.list("audit", { prefix: BATCH_PREFIX, ...range, limit: 1 });
  }
}

/** Entries from `first` to before `end`. @throws RangeError when one of them is missing; RecordDamaged. */
async function readEntries(records: Records, first: number, end: number): Promise<readonly Buffer[]> {
  const entries: Buffer[] = [];
  let after = first === 0 ? undefined : batchPath(first - 1);
  // A batch holds one entry or hundreds: a few are read first, so that not many more are opened than are wanted.
  for (let limit = FIRST_PAGE; entries.length < end - first; limit = Math.min(PAGE, limit * 2)) {
    const range = after === undefined ? {} : { after };
    const page = await openSome(records, { ...range, limit: Math.min(limit, end - first - entries.length) });
    if (page.length === 0) {
      throw new RangeError("the end of the audit log is missing");
    }
    for (const { payload } of page) {
      const batch = decodeBatch(payload);
      const at = first + entries.length;
      if (batch.first > at || batch.first + batch.entries.length <= at) {
        throw new RangeError("a batch of the audit log is missing");
      }
      entries.push(...batch.entries.slice(at - batch.first, end - batch.first));
      if (entries.length === end - first) {
        return entries;
      }
    }
    // Whoever reads much lets calls pass in between.
    await setImmediate();
    after = page.at(-1)?.path;
  }
  return entries;
}

/**
 * Removes the next batches that have only entries before this index, and then what searches looked them up by.
 * @returns Whether there may be more.
 */
export async function removePruned(records: Records, pruned: number): Promise<boolean> {
  return (
    (await records.removeBefore("audit", batchPath(pruned), PAGE, BATCH_PREFIX)) ||
    (await removeLotsBefore(records, lotOf(pruned)))
  );
}
