/**
 * The default store: one SQLite database, `bunkms.db` in a private folder, for one process.
 *
 * SQLite runs in the calling thread, and waits for the disk there: the server has a thread for it (store-thread.ts).
 */

import type { SQLOutputValue } from "node:sqlite";
import { checkListing, checkPaths, checkRecordName, checkWrites } from "./checks.ts";
import { isDamage, isDiskFull, unavailable } from "./sqlite-errors.ts";
import { type OpenFolder, openFolder } from "./sqlite-open.ts";
import { sqlTableOf } from "./sqlite-schema.ts";
import { prepareStatements, type Statements } from "./sqlite-statements.ts";
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
import { StoreRefused } from "./store-refused.ts";

/** Revisions reserved by one write of the counter; those left over at the end are skipped. */
const RESERVE = 1_000_000;

/** After so many bytes of commits the log must have gone back into the database once. */
const LOG_BUDGET_BYTES = 64 * 1024 * 1024;
/** What a write adds to the log beside its value: pages of the table, the index and their parents. */
const LOG_BYTES_PER_WRITE = 16 * 1024;

/**
 * Opens the store in a folder, and makes both if there are none (folder 0700, files 0600).
 * @throws StoreRefused if the folder is in use, not private, foreign, newer or damaged.
 * @throws StoreUnavailable if the disk or the file system failed.
 */
export async function openSqliteStore(folder: string): Promise<Store> {
  try {
    return new SqliteStore(openFolder(folder));
  } catch (error) {
    throw error instanceof StoreRefused ? error : unavailable(error);
  }
}

/** Revisions that are reserved on disk and not used yet, both ends included. */
interface RevisionBlock {
  readonly next: number;
  readonly last: number;
}

/**
 * The stores that are open. A store that its caller forgets must not be collected: its connections would be closed, and
 * the locks of the folder gone, while the process still runs.
 */
const openStores = new Set<SqliteStore>();

class SqliteStore implements Store {
  readonly #folder: OpenFolder;
  readonly #sql: Statements;
  #closed = false;
  #revisions: RevisionBlock = { next: 1, last: 0 };
  /** Bytes that commits may still add to the log before {@link #settle} must succeed; 0 after a failure. */
  #logBudget = 0;
  /** Why nothing is written any more: the database was found broken. The next start checks all of it. */
  #damage: StoreUnavailable | undefined;

  constructor(folder: OpenFolder) {
    this.#folder = folder;
    this.#sql = prepareStatements(folder.database);
    this.#trySettle();
    openStores.add(this);
  }

  async get(table: Table, path: string): Promise<StoredRecord | undefined> {
    this.#refuseIfClosed();
    checkRecordName(table, path);
    const row = this.#run(() => this.#sql[sqlTableOf(table)].get.get(table, path));
    return row && recordOf(row);
  }

  async getMany(table: Table, paths: readonly string[]): Promise<readonly StoredRecord[]> {
    this.#refuseIfClosed();
    checkPaths(table, paths);
    const { get } = this.#sql[sqlTableOf(table)];
    const rows = this.#run(() => paths.map((path) => get.get(table, path)));
    return rows.filter((row) => row !== undefined).map(recordOf);
  }

  async list(table: Table, options: ListOptions): Promise<readonly StoredRecord[]> {
    return this.#listed<Row>("list", table, options).map(([path, value, revision]) => ({ path, value, revision }));
  }

  async listRevisions(table: Table, options: ListOptions): Promise<readonly RecordRevision[]> {
    return this.#listed<RevisionRow>("listRevisions", table, options).map(([path, revision]) => ({ path, revision }));
  }

  async commit(writes: readonly Write[]): Promise<readonly number[]> {
    this.#refuseIfClosed();
    checkWrites(writes);
    if (this.#damage !== undefined) {
      throw this.#damage;
    }
    if (this.#logBudget <= 0) {
      this.#settle();
    }
    return this.#run(() => {
      this.#sql.begin.run();
      const { next: revision, last } = this.#revisions.next > this.#revisions.last ? this.#reserve() : this.#revisions;
      for (const write of writes) {
        this.#apply(write, revision);
      }
      this.#sql.commit.run();
      this.#revisions = { next: revision + 1, last };
      this.#logBudget -= logBytesOf(writes);
      return writes.map(({ value }) => (value === null ? 0 : revision));
    });
  }

  async close(): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    openStores.delete(this);
    try {
      this.#folder.database.close();
    } finally {
      this.#folder.lock.close();
    }
  }

  /** @param Listed A row of this listing: an array, so that SQLite's binding makes no object that is made anew here. */
  #listed<Listed>(listing: "list" | "listRevisions", table: Table, options: ListOptions): readonly Listed[] {
    this.#refuseIfClosed();
    const { from, to } = checkListing(table, options);
    const { forwards, backwards } = this.#sql[sqlTableOf(table)][listing];
    const statement = options.reverse === true ? backwards : forwards;
    return this.#run(() => statement.all(table, from, to, options.limit) as unknown as readonly Listed[]);
  }

  /** One write inside the transaction; its condition is part of the statement that writes. */
  #apply({ table, path, value, expected }: Write, revision: number): void {
    const { insert, update, remove, get } = this.#sql[sqlTableOf(table)];
    let applied: boolean;
    if (value === null) {
      applied = expected === 0 ? get.get(table, path) === undefined : remove.run(table, path, expected).changes === 1;
    } else if (expected === 0) {
      applied = insert.run(table, path, revision, value).changes === 1;
    } else {
      applied = update.run(revision, value, table, path, expected).changes === 1;
    }
    if (!applied) {
      throw new RevisionConflict(table, path);
    }
  }

  /**
   * Reserves the next revisions, as part of the transaction that uses the first of them: so a revision never comes
   * twice, whatever is deleted or crashes, and other commits do not pay for a counter.
   */
  #reserve(): RevisionBlock {
    const last = this.#sql.reserve.get(RESERVE)?.["reserved"] as number;
    return { next: last - RESERVE + 1, last };
  }

  /** Runs something on the database. If it fails, nothing of it remains, and the connection can be used again. */
  #run<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (error) {
      this.#rollBack();
      if (error instanceof RevisionConflict) {
        throw error;
      }
      const failure = unavailable(error);
      if (isDamage(error)) {
        this.#damage = failure;
      } else if (!isDiskFull(error)) {
        this.#trySettle();
      }
      throw failure;
    }
  }

  #rollBack(): void {
    try {
      if (this.#folder.database.isTransaction) {
        this.#sql.rollback.run();
      }
    } catch {
      // The first failure is the one to tell. The next commit tries again, in #settle.
      this.#logBudget = 0;
    }
  }

  /**
   * Brings the log into the database, with fsync, and empties it. No commit is made before this has succeeded:
   *
   * - at the start, and after a commit that failed. If its fsync failed, its frames may lie whole in the log although
   *   it is not committed here, and a crash would bring them back; worse, Linux reports a failed fsync once and then
   *   takes the lost pages for written, so that commits behind them would be confirmed and yet be cut off with them by
   *   a power failure. Emptying the log ends both. Opening the database anew would not: it would read the same frames
   *   from the page cache and believe them.
   * - when the budget is used up: automatic checkpoints fail silently, and the log would grow for ever.
   */
  #settle(): void {
    this.#logBudget = 0;
    try {
      this.#rollBack();
      if (this.#sql.checkpoint.get()?.["busy"] === 0) {
        this.#logBudget = LOG_BUDGET_BYTES;
        return;
      }
    } catch (error) {
      throw unavailable(error);
    }
    throw new StoreUnavailable("the write-ahead log could not be emptied");
  }

  /** Settles if it can now; if not, the next commit must. Reads go on meanwhile. */
  #trySettle(): void {
    try {
      this.#settle();
    } catch {
      // The budget is 0.
    }
  }

  #refuseIfClosed(): void {
    if (this.#closed) {
      throw new StoreUnavailable("the store is closed");
    }
  }
}

function logBytesOf(writes: readonly Write[]): number {
  return writes.reduce((sum, { value }) => sum + LOG_BYTES_PER_WRITE + (value?.byteLength ?? 0), 0);
}

type Row = readonly [path: string, value: Uint8Array, revision: number];
type RevisionRow = readonly [path: string, revision: number];

/** A row as a plain object: those of SQLite have no prototype. */
function recordOf(row: Record<string, SQLOutputValue>): StoredRecord {
  return { path: row["path"] as string, value: row["value"] as Uint8Array, revision: row["revision"] as number };
}
