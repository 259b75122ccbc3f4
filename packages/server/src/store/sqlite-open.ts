/** Opening a data folder: a list of steps in fixed order, each of which may refuse. */

import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync, type DatabaseSyncOptions } from "node:sqlite";
import { checkPrivateFile, createPrivateFile, ensurePrivateFolder } from "./private-files.ts";
import { isDamage } from "./sqlite-errors.ts";
import { lockFolder } from "./sqlite-lock.ts";
import { refuseDamagedLog } from "./sqlite-wal.ts";
import { StoreRefused } from "./store-refused.ts";

/** "BKMS" in ASCII. */
const APPLICATION_ID = 0x424b_4d53;
/** The version of the schema below. */
const USER_VERSION = 1;
const PAGE_BYTES = 4096;
/** Fixes a WAL-reset race that could lose commits, and the last of several recovery bugs. */
const OLDEST_SQLITE: readonly [number, number, number] = [3, 51, 3];

/**
 * A rowid table with an index by path, not WITHOUT ROWID: values up to 8 MiB stay out of the index, which keeps its pages dense,
 * and an audit entry is appended at the end of the table. Measured (4 KiB pages, 150,000 rows, medians): a commit of 1 row
 * 0.10 ms against 0.11 ms, of 33 rows 0.19 against 0.22 ms; a read 4 µs for both. A table of its own for each `tbl` gained nothing.
 */
const SCHEMA: readonly string[] = [
  `CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  tbl TEXT NOT NULL,
  path TEXT NOT NULL,
  revision INTEGER NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (tbl, path)
) STRICT`,
  `CREATE TABLE revisions (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  reserved INTEGER NOT NULL
) STRICT`,
];

/**
 * Settings and how SQLite reports them once they hold. The first two go first: with the exclusive mode set before the log is
 * opened, SQLite takes the lock with it, keeps it, and needs no shared memory file.
 *
 * `wal_autocheckpoint` in pages: measured for mixed commits of 2 rows, 500 has a p99 of 0.4 ms and a worst commit of 2.6 ms; 1000 (the default)
 * 0.3 and 4.1 ms; 250 has 1.3 ms at p99. `journal_size_limit` gives the room of a huge commit back.
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
  ["cache_size", "-16000", -16_000],
  ["wal_autocheckpoint", "500", 500],
  ["journal_size_limit", "16777216", 16_777_216],
];

const OPTIONS = {
  timeout: 0,
  defensive: true,
  allowExtension: false,
  enableDoubleQuotedStringLiterals: false,
} as const satisfies DatabaseSyncOptions;

/** An open data folder. Close `database` first: its last checkpoint needs the lock. */
export interface OpenFolder {
  readonly database: DatabaseSync;
  readonly lock: DatabaseSync;
}

/**
 * Opens the database of a folder, and makes both if there are none. It refuses without a change to database and log; only if
 * broken pages turn up does SQLite, as it closes, still bring the log into the database.
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
    return { database: openDatabase(file), lock };
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

/** Reads the header before SQLite does (SQLite file format, section 1.3), since SQLite may write what it opens. */
function refuseForeignHeader(file: string): void {
  const header = Buffer.alloc(100);
  const descriptor = openSync(file, "r");
  let length: number;
  try {
    length = readSync(descriptor, header, 0, header.length, 0);
  } finally {
    // Drops this process's locks on the file, of which it has none yet: see lockFolder.
    closeSync(descriptor);
  }
  if (length < header.length || header.toString("latin1", 0, 16) !== "SQLite format 3\0") {
    throw new StoreRefused("damaged", `${file} is damaged or no database: its header does not read`);
  }
  if (header.readUInt32BE(68) !== APPLICATION_ID) {
    throw new StoreRefused("foreign", `${file} is the database of another program`);
  }
  const version = header.readUInt32BE(60);
  if (version > USER_VERSION) {
    throw new StoreRefused(
      "newer",
      `${file} has schema version ${version}, and this BunKMS reads up to ${USER_VERSION}`,
    );
  }
  if (version !== USER_VERSION) {
    throw new StoreRefused("damaged", `${file} is damaged: it has no schema version`);
  }
}

/**
 * SQLite fills up a cut last page with zeros and says nothing. A crash can cut it as well, while the log is brought into the
 * database; the log then still has the page.
 */
function refuseCutPage(file: string, logBytes: number): void {
  if (statSync(file).size % PAGE_BYTES !== 0 && logBytes < PAGE_BYTES) {
    throw damaged(file, "its last page is cut");
  }
}

/** Makes the database under another name and then renames it: under its own name it is whole or not there. */
function createDatabase(folder: string, file: string): void {
  const draft = `${file}.new`;
  // Left by a crash in here; the lock says that nobody is at it.
  for (const leftover of [draft, `${draft}-journal`, `${draft}-wal`]) {
    rmSync(leftover, { force: true });
  }
  createPrivateFile(draft);
  const database = new DatabaseSync(draft, OPTIONS);
  try {
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = NONE; PRAGMA synchronous = FULL`);
    database.exec(`BEGIN EXCLUSIVE;
      PRAGMA application_id = ${APPLICATION_ID};
      PRAGMA user_version = ${USER_VERSION};
      ${SCHEMA.join(";\n")};
      INSERT INTO revisions (one, reserved) VALUES (1, 0);
      COMMIT`);
  } finally {
    database.close();
  }
  renameSync(draft, file);
  syncFolder(folder);
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, OPTIONS);
  try {
    applySettings(database);
    refuseBrokenPages(database, file);
    refuseOtherSchema(database, file);
    return database;
  } catch (error) {
    database.close();
    throw isDamage(error) ? damaged(file, (error as Error).message, error) : error;
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

/** Finds broken pages and trees. Changed bytes inside a value are found when its seal is opened. */
function refuseBrokenPages(database: DatabaseSync, file: string): void {
  const finding = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  if (finding !== "ok") {
    throw damaged(file, String(finding));
  }
}

function refuseOtherSchema(database: DatabaseSync, file: string): void {
  const statements = database
    .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
    .all()
    .map((row) => row["sql"]);
  if (statements.length !== SCHEMA.length || statements.some((sql, i) => sql !== SCHEMA[i])) {
    throw damaged(file, "its schema was changed");
  }
}

function damaged(file: string, finding: string, cause?: unknown): StoreRefused {
  return new StoreRefused("damaged", `${file} is damaged: ${finding}. Restore the folder from a backup`, { cause });
}

/** Makes the names in a folder durable. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
