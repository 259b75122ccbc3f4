import type { DatabaseSync } from "node:sqlite";
import type { sqlTableOf } from "./sqlite-schema.ts";

/** The prepared statements of one connection. */
export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement that the store ever runs. Input reaches them as parameters only. */
export function prepareStatements(database: DatabaseSync) {
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
    checkpoint: database.prepare("PRAGMA wal_checkpoint(TRUNCATE)"),
    reserve: database.prepare("UPDATE revisions SET reserved = reserved + ? RETURNING reserved"),
    audit: prepareRecords(database, "audit"),
    record: prepareRecords(database, "record"),
  };
}

function prepareRecords(database: DatabaseSync, name: ReturnType<typeof sqlTableOf>) {
  return {
    get: database.prepare(`SELECT path, value, revision FROM ${name} WHERE tbl = ? AND path = ?`),
    list: prepareListings(database, name, "path, value, revision"),
    listRevisions: prepareListings(database, name, "path, revision"),
    insert: database.prepare(
      `INSERT INTO ${name} (tbl, path, revision, value) VALUES (?, ?, ?, ?) ON CONFLICT (tbl, path) DO NOTHING`,
    ),
    update: database.prepare(`UPDATE ${name} SET revision = ?, value = ? WHERE tbl = ? AND path = ? AND revision = ?`),
    remove: database.prepare(`DELETE FROM ${name} WHERE tbl = ? AND path = ? AND revision = ?`),
  };
}

/** One listing in both directions. Its rows are arrays. */
function prepareListings(database: DatabaseSync, name: ReturnType<typeof sqlTableOf>, columns: string) {
  const prepare = (order: "ASC" | "DESC") => {
    const listing = database.prepare(
      `SELECT ${columns} FROM ${name} WHERE tbl = ? AND path >= ? AND path < ? ORDER BY path ${order} LIMIT ?`,
    );
    listing.setReturnArrays(true);
    return listing;
  };
  return { forwards: prepare("ASC"), backwards: prepare("DESC") };
}
