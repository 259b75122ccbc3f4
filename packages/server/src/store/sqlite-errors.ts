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

/** The same for the errors of the file system, met before SQLite is there. */
const SYSTEM_CAUSES: ReadonlyMap<string, string> = new Map([
  ["EACCES", "the data folder cannot be accessed"],
  ["EIO", "the disk failed to read or write"],
  ["ENOSPC", "the disk is full"],
  ["EROFS", "the file system is read-only"],
]);

const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** Node puts SQLite's extended result code on its errors; the lowest byte is the primary code. */
function primaryCode(error: unknown): number {
  const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
  return typeof code === "number" ? code & 0xff : -1;
}

/** The error that callers get; what SQLite or the system said is its cause, and must not leave the server. */
export function unavailable(error: unknown): StoreUnavailable {
  const systemCode = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = CAUSES.get(primaryCode(error)) ?? SYSTEM_CAUSES.get(systemCode) ?? "the store failed";
  return new StoreUnavailable(message, { cause: error });
}

/** Whether the database itself is broken. */
export function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/**
 * Whether SQLite could not make sense of a statement. Ours are constant and right for our schema, so that before the
 * schema was checked this is damage as well: of the file format's version, or of the schema's text.
 */
export function isStatementError(error: unknown): boolean {
  return primaryCode(error) === SQLITE_ERROR;
}

/** Whether another connection holds a lock. */
export function isBusy(error: unknown): boolean {
  return primaryCode(error) === SQLITE_BUSY;
}

/** Whether the disk had no room for a write; what did not fit is known not to be there. */
export function isDiskFull(error: unknown): boolean {
  return primaryCode(error) === SQLITE_FULL;
}
