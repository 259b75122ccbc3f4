import { checkListing, checkPaths, checkRecordName, checkWrites } from "./checks.ts";
import {
  type ListOptions,
  type RecordRevision,
  RevisionConflict,
  type Store,
  type StoredRecord,
  StoreUnavailable,
  type Table,
  type Write,
} from "./store.ts";

/**
 * A store in memory, for tests and trials: it gives the answers of the others, and keeps nothing once it is closed.
 */
export function openMemoryStore(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  readonly #tables = new Map<Table, MemoryTable>();
  #revision = 0;
  #closed = false;

  async get(table: Table, path: string): Promise<StoredRecord | undefined> {
    this.#refuseIfClosed();
    checkRecordName(table, path);
    const record = this.#tables.get(table)?.get(path);
    return record && copyOf(record);
  }

  async getMany(table: Table, paths: readonly string[]): Promise<readonly StoredRecord[]> {
    this.#refuseIfClosed();
    checkPaths(table, paths);
    return paths.flatMap((path) => this.#tables.get(table)?.get(path) ?? []).map(copyOf);
  }

  async list(table: Table, options: ListOptions): Promise<readonly StoredRecord[]> {
    return this.#found(table, options).map(copyOf);
  }

  async listRevisions(table: Table, options: ListOptions): Promise<readonly RecordRevision[]> {
    return this.#found(table, options).map(({ path, revision }) => ({ path, revision }));
  }

  async commit(writes: readonly Write[]): Promise<readonly number[]> {
    this.#refuseIfClosed();
    checkWrites(writes);
    for (const { table, path, expected } of writes) {
      if ((this.#tables.get(table)?.get(path)?.revision ?? 0) !== expected) {
        throw new RevisionConflict(table, path);
      }
    }
    const revision = ++this.#revision;
    return writes.map(({ table, path, value }) => {
      if (value === null) {
        this.#tables.get(table)?.delete(path);
        return 0;
      }
      this.#table(table).set(copyOf({ path, value, revision }));
      return revision;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tables.clear();
  }

  #found(table: Table, options: ListOptions): readonly StoredRecord[] {
    this.#refuseIfClosed();
    const { from, to } = checkListing(table, options);
    return this.#tables.get(table)?.between(from, to, options.limit, options.reverse === true) ?? [];
  }

  #table(name: Table): MemoryTable {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new MemoryTable();
      this.#tables.set(name, table);
    }
    return table;
  }

  #refuseIfClosed(): void {
    if (this.#closed) {
      throw new StoreUnavailable("the store is closed");
    }
  }
}

/** One table: records by path, and their paths in order. */
class MemoryTable {
  readonly #records = new Map<string, StoredRecord>();
  /** Undefined after a change in the middle; sorted anew by the next listing. The audit log only appends. */
  #sorted: string[] | undefined = [];

  get(path: string): StoredRecord | undefined {
    return this.#records.get(path);
  }

  set(record: StoredRecord): void {
    if (!this.#records.has(record.path) && this.#sorted !== undefined) {
      const last = this.#sorted.at(-1);
      if (last === undefined || last < record.path) {
        this.#sorted.push(record.path);
      } else {
        this.#sorted = undefined;
      }
    }
    this.#records.set(record.path, record);
  }

  delete(path: string): void {
    if (this.#records.delete(path)) {
      this.#sorted = undefined;
    }
  }

  between(from: string, to: string, limit: number, reverse: boolean): StoredRecord[] {
    this.#sorted ??= [...this.#records.keys()].sort();
    const start = firstAtOrAfter(this.#sorted, from);
    const end = Math.max(start, firstAtOrAfter(this.#sorted, to));
    const paths = reverse
      ? this.#sorted.slice(Math.max(start, end - limit), end).reverse()
      : this.#sorted.slice(start, Math.min(end, start + limit));
    return paths.flatMap((path) => this.#records.get(path) ?? []);
  }
}

/** The index of the first element that is not below `path`. */
function firstAtOrAfter(sorted: readonly string[], path: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) < path) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** The caller keeps what it gave and what it got: neither may be the bytes that the store holds. */
function copyOf(record: StoredRecord): StoredRecord {
  return { path: record.path, value: new Uint8Array(record.value), revision: record.revision };
}
