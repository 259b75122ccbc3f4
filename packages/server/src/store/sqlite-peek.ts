import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { sqlTableOf } from "./sqlite-schema.ts";
import type { Table } from "./store.ts";

/**
 * Values under a prefix, read without a lock and without changing a byte of the folder: for telling people what is there
 * when the vault cannot be opened. Best effort: what is in the write-ahead log alone is not seen, and whatever is wrong
 * gives nothing.
 */
export function peekSqlite(folder: string, table: Table, prefix: string): readonly Uint8Array[] {
  const file = join(resolve(folder), "bunkms.db");
  if (!existsSync(file)) {
    return [];
  }
  try {
    // `immutable` keeps SQLite from making or reading any other file.
    const url = new URL(`${pathToFileURL(file).href}?mode=ro&immutable=1`);
    using database = new DatabaseSync(url, { readOnly: true });
    return database
      .prepare(`SELECT value FROM ${sqlTableOf(table)} WHERE tbl = ? AND path >= ? AND path < ? ORDER BY path`)
      .all(table, prefix, `${prefix}~`)
      .map((row) => row["value"] as Uint8Array);
  } catch {
    return [];
  }
}
