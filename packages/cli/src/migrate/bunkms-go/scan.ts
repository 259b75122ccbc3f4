import { PAGE_LENGTH, pageKind, readEntry, readLeaf } from "./pages.ts";
import { openValue } from "./sealed-value.ts";
import { StoreError } from "./store-error.ts";
import { readPages } from "./store-file.ts";

const KEY_PREFIX = "kms:key:";
const SECRET_PREFIX = "kms:secret:";
const PREFIXES = [
  ["key", Buffer.from(KEY_PREFIX)],
  ["secret", Buffer.from(SECRET_PREFIX)],
] as const;
const MOST_NAME = 256;
const NAME = /^[\x20-\x7e]+$/;

/** What a record is of. */
export type RecordKind = "key" | "secret";

/** One record that was found and opened, wherever it lay. */
export interface FoundRecord {
  readonly kind: RecordKind;
  /** As the store has it; what is inside has a name, too. */
  readonly name: string;
  readonly page: number;
  readonly offset: number;
  /** Whether a leaf counts it among its entries; else it is what others left over. */
  readonly counted: boolean;
  /** JSON. Whoever reads it zeroes it. */
  readonly content: Buffer;
}

/** What looks like a record but does not open. */
export interface BrokenRecord {
  readonly kind: RecordKind;
  /** Empty when it cannot be told. */
  readonly name: string;
  readonly page: number;
  readonly offset: number;
  readonly counted: boolean;
}

/** An entry of a leaf that is not one of the Go BunKMS. */
interface StrangeEntry {
  readonly page: number;
  readonly offset: number;
}

/** All that lies in the store. */
export interface StoreScan {
  readonly pages: number;
  readonly unwritten: number;
  readonly leaves: number;
  readonly records: readonly FoundRecord[];
  readonly broken: readonly BrokenRecord[];
  readonly strange: readonly StrangeEntry[];
  /** Entries that leaves count and that others were written over. */
  readonly overwritten: number;
}

/**
 * Reads everything that a data folder of the Go BunKMS holds. Its store begins a new tree at each start, forgets the old ones,
 * and writes over its own entries where a page gets full, so that neither trees nor entry counts tell what is there. So every
 * place of every page is looked at that can be a record. That one opens under the master key proves that it is one, whole.
 *
 * @param masterKey 32 bytes.
 * @throws StoreError `wrong_master_key` when there are records and none opens; and as `readPages` and `pageKind`.
 */
export async function scanStore(folder: string, masterKey: Uint8Array): Promise<StoreScan> {
  const scan = {
    unwritten: 0,
    leaves: 0,
    records: [] as FoundRecord[],
    broken: [] as BrokenRecord[],
    strange: [] as StrangeEntry[],
    overwritten: 0,
  };
  const pages = await readPages(folder, (page, number) => {
    const kind = pageKind(page, number);
    scan.unwritten += kind === "unwritten" && number > 1 ? 1 : 0;
    if (kind === "leaf") {
      scan.leaves += 1;
      scanLeaf(page, number, masterKey, scan);
    }
  });
  if (scan.records.length === 0 && scan.broken.some(({ counted }) => counted)) {
    throw new StoreError("wrong_master_key", "no record of the store opens with this master key");
  }
  return { pages, ...scan };
}

interface Sink {
  readonly records: FoundRecord[];
  readonly broken: BrokenRecord[];
  readonly strange: StrangeEntry[];
  overwritten: number;
}

function scanLeaf(page: Buffer, number: number, masterKey: Uint8Array, sink: Sink): void {
  const { entries, lost } = readLeaf(page);
  const counted = new Set(entries.map(({ at }) => at));
  const seen = new Set<number>();
  sink.overwritten += lost;
  for (const { at, kind } of placesOf(page)) {
    seen.add(at);
    const place = { kind, page: number, offset: number * PAGE_LENGTH + at, counted: counted.has(at) };
    const entry = readEntry(page, at);
    const name = nameOf(entry?.key, kind);
    const content = entry === undefined || name === undefined ? undefined : openValue(masterKey, entry.value);
    if (content === undefined) {
      sink.broken.push({ ...place, name: name ?? "" });
    } else {
      sink.records.push({ ...place, name: name as string, content });
    }
  }
  for (const { at } of entries) {
    if (!seen.has(at)) {
      sink.strange.push({ page: number, offset: number * PAGE_LENGTH + at });
    }
  }
}

/** The places at which a record's key begins, two bytes before the prefix of its name. */
function* placesOf(page: Buffer): Generator<{ readonly at: number; readonly kind: RecordKind }> {
  for (const [kind, prefix] of PREFIXES) {
    for (let found = page.indexOf(prefix, 2); found !== -1; found = page.indexOf(prefix, found + 1)) {
      yield { at: found - 2, kind };
    }
  }
}

function nameOf(key: Buffer | undefined, kind: RecordKind): string | undefined {
  const prefix = kind === "key" ? KEY_PREFIX : SECRET_PREFIX;
  if (key === undefined || key.length <= prefix.length || key.length > prefix.length + MOST_NAME) {
    return undefined;
  }
  const text = key.toString("latin1");
  return text.startsWith(prefix) && NAME.test(text) ? text.slice(prefix.length) : undefined;
}
