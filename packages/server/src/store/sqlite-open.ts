/** Opening a data folder: a list of steps in fixed order, each of which may refuse. */

import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { checkPrivateFile, ensurePrivateFolder } from "./private-files.ts";
import { isBusy, isDamage, isStatementError } from "./sqlite-errors.ts";
import { lockFolder } from "./sqlite-lock.ts";
import {
  CONNECTION_OPTIONS,
  createDatabase,
  damaged,
  refuseCutPage,
  refuseForeignHeader,
  refuseOtherSchema,
} from "./sqlite-schema.ts";
import { refuseDamagedLog } from "./sqlite-wal.ts";
import { StoreRefused } from "./store-refused.ts";

/** The first without the WAL-reset bug, which could lose commits. */
const OLDEST_SQLITE: readonly [number, number, number] = [3, 51, 3];

/**
 * Settings and how SQLite reports them once they hold. The first two go first: with the exclusive mode set before the
 * log is opened, SQLite takes the lock with it, keeps it, and needs no shared memory file.
 *
 * `wal_autocheckpoint` in pages: measured for mixed commits of 2 rows, 500 has a p99 of 0.4 ms and a worst commit of
 * 2.6 ms; 1000 (the default) 0.3 and 4.1 ms; 250 has 1.3 ms at p99. `journal_size_limit` gives the room of a huge
 * commit back.
 */
const SETTINGS: readonly (readonly [name: string, value: string, reported: string | number])[] = [
  ["locking_mode", "EXCLUSIVE", "exclusive"],
  ["journal_mode", "WAL", "wal"],
  ["synchronous", "FULL", 2],
  ["trusted_schema", "OFF", 0],
  ["cell_size_check", "ON", 1],
  ["mmap_size", "0", 0],
  ["secure_delete", "ON", 1],
  ["temp_store", "MEMORY", 2],
  ["cache_size", "-4000", -4_000],
  ["wal_autocheckpoint", "500", 500],
  ["journal_size_limit", "16777216", 16_777_216],
];

/** An open data folder. Close `database` first: its last checkpoint needs the lock. */
export interface OpenFolder {
  readonly database: DatabaseSync;
  readonly lock: DatabaseSync;
}

/**
 * Opens the database of a folder, and makes both if there are none. It refuses without a change to database and log;
 * only if broken pages turn up does SQLite, as it closes, still bring the log into the database.
 * @throws StoreRefused, or the error of SQLite or the file system.
 */
export function openFolder(path: string): OpenFolder {
  const folder = resolve(path);
  refuseOldSqlite(process.versions.sqlite ?? "none");
  ensurePrivateFolder(folder);
  const lock = lockFolder(folder);
  try {
    const file = join(folder, "bunkms.db");
    const log = `${file}-wal`;
    const hasLog = checkPrivateFile(log);
    if (checkPrivateFile(file)) {
      refuseForeignHeader(file);
      refuseCutPage(file, hasLog ? statSync(log).size : 0);
    } else if (hasLog) {
      throw new StoreRefused("damaged", `${log} is there without ${file}: restore the folder from a backup`);
    } else {
      createDatabase(folder, file);
    }
    if (hasLog) {
      refuseDamagedLog(log);
    }
    return { database: openDatabase(file, hasLog), lock };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** @throws StoreRefused with reason `unsupported` if the version is below 3.51.3, or is none. */
export function refuseOldSqlite(version: string): void {
  const parts = version.split(".").map(Number);
  const differences = OLDEST_SQLITE.map((oldest, i) => (parts[i] ?? Number.NaN) - oldest);
  const decisive = differences.find((difference) => difference !== 0) ?? 0;
  // A version that is no version compares as NaN, which is not above zero either.
  if (!(decisive >= 0)) {
    throw new StoreRefused(
      "unsupported",
      `this Node has SQLite ${version}, and ${OLDEST_SQLITE.join(".")} or newer is needed`,
    );
  }
}

function openDatabase(file: string, hasLog: boolean): DatabaseSync {
  const database = new DatabaseSync(file, CONNECTION_OPTIONS);
  try {
    applySettings(database);
    refuseOtherSchema(database, file);
    refuseBrokenPages(database, file, hasLog);
    return database;
  } catch (error) {
    database.close();
    if (isBusy(error)) {
      throw new StoreRefused("in-use", `${file} is in use by another program: close it first`, { cause: error });
    }
    throw isDamage(error) || isStatementError(error) ? damaged(file, (error as Error).message, error) : error;
  }
}

function applySettings(database: DatabaseSync): void {
  for (const [name, value] of SETTINGS) {
    database.exec(`PRAGMA ${name} = ${value}`);
  }
  for (const [name, , expected] of SETTINGS) {
    const actual = Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    if (actual !== expected) {
      throw new StoreRefused("unsupported", `SQLite keeps ${name} at ${actual}, and ${expected} is needed`);
    }
  }
}

/**
 * Finds broken pages and trees. Changed bytes inside a value are found when its seal is opened.
 *
 * All of the file is read if there is a write-ahead log, which a clean stop leaves none of. Else the audit log is not,
 * whose pages a start would read at a millisecond each MiB for ever: a broken one is found when it is read.
 */
function refuseBrokenPages(database: DatabaseSync, file: string, hasLog: boolean): void {
  for (const scope of hasLog ? ["1"] : ["record", "revisions"]) {
    const finding = database.prepare(`PRAGMA quick_check(${scope})`).get()?.["quick_check"];
    if (finding !== "ok") {
      throw damaged(file, String(finding));
    }
  }
}
