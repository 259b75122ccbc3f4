import { BATCH_PREFIX, lotRecordPath } from "../audit/log.ts";
import { SHARDS } from "../audit/lot-terms.ts";
import type { LotStore } from "../audit/search-index.ts";
import { RecordDamaged } from "../vault/record.ts";
import type { OpenedRecord, Records } from "../vault/records.ts";

const TABLE = "audit-index";
/** So many records at most are removed in one commit. */
const REMOVED_AT_ONCE = 256;

/** Where the records of the search index lie. To write them is no mutation. */
export function lotStore(records: Records): LotStore {
  return {
    async shards(lots, shard) {
      const paths = lots.map((lot) => shardPath(lot, shard));
      const found = new Map((await readSound(records, paths)).map(({ path, payload }) => [path, payload]));
      return paths.map((path) => found.get(path));
    },
    keep: (lot, shards) =>
      records.keep(shards.map((payload, shard) => ({ table: TABLE, path: shardPath(lot, shard), payload }))),
    async whole() {
      const counts = new Map<number, number>();
      for await (const path of records.paths(TABLE, BATCH_PREFIX)) {
        const lot = Number.parseInt(path.slice(BATCH_PREFIX.length), 16);
        counts.set(lot, (counts.get(lot) ?? 0) + 1);
      }
      return new Set([...counts].filter(([, count]) => count === SHARDS).map(([lot]) => lot));
    },
  };
}

/** Removes the next records of lots before this one. @returns Whether there may be more. */
export function removeLotsBefore(records: Records, lot: number): Promise<boolean> {
  return records.removeBefore(TABLE, lotRecordPath(lot), REMOVED_AT_ONCE, BATCH_PREFIX);
}

/** Those that open: to do without a damaged one costs time alone. */
async function readSound(records: Records, paths: readonly string[]): Promise<readonly OpenedRecord[]> {
  try {
    return await records.readMany(TABLE, paths);
  } catch (error) {
    if (!(error instanceof RecordDamaged)) {
      throw error;
    }
    if (paths.length === 1) {
      return [];
    }
    const middle = Math.ceil(paths.length / 2);
    return [...(await readSound(records, paths.slice(0, middle))), ...(await readSound(records, paths.slice(middle)))];
  }
}

function shardPath(lot: number, shard: number): string {
  return `${lotRecordPath(lot)}/${shard.toString(16)}`;
}
