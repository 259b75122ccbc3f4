import type { Store, StoredRecord, Table, Write } from "../store/store.ts";
import { barrierKeyVersion } from "./record.ts";

/** So many records at once: a few milliseconds, so that requests get their turns between. */
const PAGE = 128;
/** The same of records that may have half a mebibyte each. */
const PAGE_OF_LARGE = 4;
const LARGE: ReadonlySet<Table> = new Set(["secret-value", "attachment-part"]);

/**
 * Seals records anew under another barrier key while the vault is at work. Content and version of a record stay, so
 * that neither the state's digest nor anybody who has read it is wrong; only its revision in the store is another. Who
 * read it before and changes it after means the same writing: the revisions that came of resealing are known here.
 */
export class Resealing {
  readonly #store: Store;
  /** From a record with the revision that it had, to the revision that it got. */
  readonly #moved = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The revision that a record has now which had this one when it was last written. */
  currentRevision(table: Table, path: string, revision: number): number {
    let current = revision;
    for (;;) {
      const next = this.#moved.get(nameOf(table, path, current));
      if (next === undefined) {
        return current;
      }
      current = next;
    }
  }

  forget(): void {
    this.#moved.clear();
  }

  /**
   * Does the next page of a table.
   * @param seal The record's value under the newest key; null when it is to leave.
   */
  async next(
    table: Table,
    after: string | undefined,
    newestKey: number,
    seal: (record: StoredRecord) => Buffer | null,
  ): Promise<{ readonly resealed: number; readonly after?: string }> {
    const limit = LARGE.has(table) ? PAGE_OF_LARGE : PAGE;
    const page = await this.#store.list(table, { limit, ...(after === undefined ? {} : { after }) });
    const old = page.filter(({ value }) => isUnderOlder(value, newestKey));
    const writes = old.map(
      (record): Write => ({ table, path: record.path, value: seal(record), expected: record.revision }),
    );
    if (writes.length > 0) {
      const revisions = await this.#store.commit(writes);
      for (const [i, { path, revision }] of old.entries()) {
        this.#moved.set(nameOf(table, path, revision), revisions[i] as number);
      }
    }
    const last = page.at(-1)?.path;
    return page.length < limit || last === undefined ? { resealed: old.length } : { resealed: old.length, after: last };
  }
}

function isUnderOlder(value: Uint8Array, newestKey: number): boolean {
  const version = barrierKeyVersion(value);
  return version !== undefined && version < newestKey;
}

function nameOf(table: Table, path: string, revision: number): string {
  return `${table}/${path}@${revision}`;
}
