import type { DatabaseSync } from "node:sqlite";

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
    get: database.prepare("SELECT path, value, revision FROM record WHERE tbl = ? AND path = ?"),
    list: database.prepare(
      "SELECT path, value, revision FROM record WHERE tbl = ? AND path >= ? AND path < ? ORDER BY path LIMIT ?",
    ),
    listReverse: database.prepare(
      "SELECT path, value, revision FROM record WHERE tbl = ? AND path >= ? AND path < ? ORDER BY path DESC LIMIT ?",
    ),
    insert: database.prepare(
      "INSERT INTO record (tbl, path, revision, value) VALUES (?, ?, ?, ?) ON CONFLICT (tbl, path) DO NOTHING",
    ),
    update: database.prepare("UPDATE record SET revision = ?, value = ? WHERE tbl = ? AND path = ? AND revision = ?"),
    remove: database.prepare("DELETE FROM record WHERE tbl = ? AND path = ? AND revision = ?"),
  };
}
