import { StoreUnavailable } from "./store.ts";

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html) and what they mean for the store. */
const CAUSES: ReadonlyMap<number, string> = new Map([
  [5, "another program has locked the database"],
  [6, "the database is locked"],
  [7, "out of memory"],
  [8, "the database is read-only"],
  [10, "the disk failed to read or write"],
  [11, "the database is damaged"],
  [13, "the disk is full"],
  [14, "the database cannot be opened"],
  [26, "the file is no database"],
]);

const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** Node puts SQLite's extended result code on its errors; the lowest byte is the primary code. */
function primaryCode(error: unknown): number {
  const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
  return typeof code === "number" ? code & 0xff : -1;
}

/** The error that callers get; what SQLite said is its cause, and must not leave the server. */
export function unavailable(error: unknown): StoreUnavailable {
  return new StoreUnavailable(CAUSES.get(primaryCode(error)) ?? "the store failed", { cause: error });
}

/** Whether the database itself is broken. */
export function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** Whether the disk had no room for a write; what did not fit is known not to be there. */
export function isDiskFull(error: unknown): boolean {
  return primaryCode(error) === SQLITE_FULL;
}
