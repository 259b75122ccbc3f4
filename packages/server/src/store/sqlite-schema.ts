/** The database file: what it is called inside, how it is made, and how it is told from others. */

import { closeSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { DatabaseSync, type DatabaseSyncOptions } from "node:sqlite";
import { createPrivateFile, syncFolder } from "./private-files.ts";
import type { Table } from "./store.ts";
import { StoreRefused } from "./store-refused.ts";

/** "BKMS" in ASCII. */
const APPLICATION_ID = 0x424b_4d53;
/** The version of the schema below. */
const USER_VERSION = 1;
const PAGE_BYTES = 4096;

/**
 * A rowid table with an index by path, not WITHOUT ROWID: values up to 8 MiB stay out of the index, which keeps its
 * pages dense, and an audit entry is appended at the end of the table. Measured (4 KiB pages, 150,000 rows, medians): a
 * commit of 1 row 0.10 ms against 0.11 ms, of 33 rows 0.19 against 0.22 ms; a read 4 µs for both.
 *
 * The audit log lies in a table of its own, because it grows for ever and the rest does not: the check of all pages after
 * a clean stop leaves it out.
 */
const SCHEMA: readonly string[] = [
  recordTable("audit"),
  recordTable("record"),
  `CREATE TABLE revisions (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  reserved INTEGER NOT NULL
) STRICT`,
];

function recordTable(name: string): string {
  return `CREATE TABLE ${name} (
  id INTEGER PRIMARY KEY,
  tbl TEXT NOT NULL,
  path TEXT NOT NULL,
  revision INTEGER NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (tbl, path)
) STRICT`;
}

/** The SQL table that holds the records of a table of the port. */
export function sqlTableOf(table: Table): "audit" | "record" {
  return table === "audit" || table === "audit-tile" || table === "audit-index" ? "audit" : "record";
}

/**
 * How every connection to the database is opened: it waits for no lock, and neither SQL nor extensions get more than
 * we use.
 */
export const CONNECTION_OPTIONS = {
  timeout: 0,
  defensive: true,
  allowExtension: false,
  enableDoubleQuotedStringLiterals: false,
} as const satisfies DatabaseSyncOptions;

/** Reads the header before SQLite does (SQLite file format, section 1.3), since SQLite may write what it opens. */
export function refuseForeignHeader(file: string): void {
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
 * SQLite fills up a cut last page with zeros and says nothing. A crash can cut it as well, while the log is brought
 * into the database; the log then still has the page.
 */
export function refuseCutPage(file: string, logBytes: number): void {
  if (statSync(file).size % PAGE_BYTES !== 0 && logBytes < PAGE_BYTES) {
    throw damaged(file, "its last page is cut");
  }
}

/** Makes the database under another name and then renames it: under its own name it is whole or not there. */
export function createDatabase(folder: string, file: string): void {
  const draft = `${file}.new`;
  // Left by a crash in here; the lock says that nobody is at it.
  for (const leftover of [draft, `${draft}-journal`, `${draft}-wal`]) {
    rmSync(leftover, { force: true });
  }
  createPrivateFile(draft);
  const database = new DatabaseSync(draft, CONNECTION_OPTIONS);
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

/** @throws StoreRefused if a table, index, view or trigger is missing, changed or added. */
export function refuseOtherSchema(database: DatabaseSync, file: string): void {
  const statements = database
    .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
    .all()
    .map((row) => row["sql"]);
  if (statements.length !== SCHEMA.length || statements.some((sql, i) => sql !== SCHEMA[i])) {
    throw damaged(file, "its schema was changed");
  }
}

/** What the operator is told of a database that does not read as it was written. */
export function damaged(file: string, finding: string, cause?: unknown): StoreRefused {
  return new StoreRefused("damaged", `${file} is damaged: ${finding}. Restore the folder from a backup`, { cause });
}
