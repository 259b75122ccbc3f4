import { BATCH_PREFIX } from "../audit/log.ts";
import { SHARDS } from "../audit/lot-terms.ts";
import type { LotStore } from "../audit/search-index.ts";
import { RecordDamaged } from "../vault/record.ts";
import type { OpenedRecord, Records } from "../vault/records.ts";

const TABLE = "audit-index";
const PAGE = 1_000;
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
      let page: readonly string[] = [];
      do {
        const after = page.at(-1);
        page = await records.paths(TABLE, {
          prefix: BATCH_PREFIX,
          ...(after === undefined ? {} : { after }),
          limit: PAGE,
        });
        for (const path of page) {
          const lot = Number.parseInt(path.slice(BATCH_PREFIX.length), 16);
          counts.set(lot, (counts.get(lot) ?? 0) + 1);
        }
      } while (page.length === PAGE);
      return new Set([...counts].filter(([, count]) => count === SHARDS).map(([lot]) => lot));
    },
  };
}

/** Removes the next records of lots before this one. @returns Whether there may be more. */
export function removeLotsBefore(records: Records, lot: number): Promise<boolean> {
  return records.removeBefore(TABLE, lotPath(lot), REMOVED_AT_ONCE, BATCH_PREFIX);
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

function lotPath(lot: number): string {
  return BATCH_PREFIX + lot.toString(16).padStart(16, "0");
}

function shardPath(lot: number, shard: number): string {
  return `${lotPath(lot)}/${shard.toString(16)}`;
}
