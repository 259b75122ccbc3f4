/** What every adapter refuses before it looks at its data, so that all of them refuse alike. */

import type { ListOptions, Table, Write } from "./store.ts";

/** The longest value, in bytes: 8 MiB. */
export const MAX_VALUE_BYTES = 8 * 1024 * 1024;

/** The most records that are read at once. */
export const MAX_LIST_LIMIT = 10_000;

/**
 * Sorts before and after every byte that a path may hold. With them a listing is one range of the index,
 * from inclusive to exclusive, whatever its prefix and its start.
 */
const BELOW_ALL = "!";
const ABOVE_ALL = "~";

const PATH = /^[0-9a-z/.-]{1,512}$/;
const PREFIX = /^[0-9a-z/.-]{0,512}$/;

const TABLES: ReadonlySet<string> = new Set(
  Object.keys({
    meta: true,
    key: true,
    "key-version": true,
    "key-material": true,
    "key-usage": true,
    alias: true,
    "import-key": true,
    secret: true,
    "secret-version": true,
    "secret-value": true,
    token: true,
    idempotency: true,
    audit: true,
    "audit-tile": true,
    "audit-index": true,
    "audit-checkpoint": true,
    "audit-cursor": true,
    "audit-key": true,
    "audit-retention": true,
    attachment: true,
    "attachment-part": true,
    "attachment-removal": true,
    probe: true,
  } satisfies Record<Table, true>),
);

/** @throws TypeError if the table is unknown or the path malformed. */
export function checkRecordName(table: Table, path: string): void {
  checkTable(table);
  if (typeof path !== "string" || !PATH.test(path)) {
    throw new TypeError("a path is 1 to 512 bytes of [0-9a-z/.-]");
  }
}

/**
 * @throws TypeError if the table is unknown or a path malformed.
 * @throws RangeError if there are more paths than {@link MAX_LIST_LIMIT}.
 */
export function checkPaths(table: Table, paths: readonly string[]): void {
  checkTable(table);
  if (paths.length > MAX_LIST_LIMIT) {
    throw new RangeError(`at most ${MAX_LIST_LIMIT} records are read at once`);
  }
  for (const path of paths) {
    checkRecordName(table, path);
  }
}

/**
 * @throws TypeError if a table is unknown, a path, revision or value malformed, or a record written twice.
 * @throws RangeError if a value is longer than {@link MAX_VALUE_BYTES}.
 */
export function checkWrites(writes: readonly Write[]): void {
  const seen = new Set<string>();
  for (const { table, path, value, expected } of writes) {
    checkRecordName(table, path);
    if (!Number.isSafeInteger(expected) || expected < 0) {
      throw new TypeError("an expected revision is a revision of this store, or 0");
    }
    if (value !== null && !(value instanceof Uint8Array)) {
      throw new TypeError("a value is a Uint8Array, or null to delete");
    }
    if (value !== null && value.byteLength > MAX_VALUE_BYTES) {
      throw new RangeError(`a value is at most ${MAX_VALUE_BYTES} bytes`);
    }
    // No table's name holds a colon, so two different records never make the same text.
    const name = `${table}:${path}`;
    if (seen.has(name)) {
      throw new TypeError("a commit writes each path at most once");
    }
    seen.add(name);
  }
}

/** The paths of a listing: `from` is the first that may occur, `to` the first after them that may not. */
export interface PathRange {
  readonly from: string;
  readonly to: string;
}

/**
 * The range of paths that a listing asks for.
 * @throws TypeError if the table is unknown, or prefix or start malformed.
 * @throws RangeError if the limit is not an integer of 1 to {@link MAX_LIST_LIMIT}.
 */
export function checkListing(table: Table, options: ListOptions): PathRange {
  checkTable(table);
  const { prefix = "", after, limit, reverse = false } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST_LIMIT) {
    throw new RangeError(`a listing's limit is 1 to ${MAX_LIST_LIMIT}`);
  }
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) {
    throw new TypeError("a prefix is at most 512 bytes of [0-9a-z/.-]");
  }
  if (after !== undefined && (typeof after !== "string" || !PATH.test(after))) {
    throw new TypeError("a listing starts after a path: 1 to 512 bytes of [0-9a-z/.-]");
  }
  const from = prefix;
  const to = prefix + ABOVE_ALL;
  if (after === undefined) {
    return { from, to };
  }
  if (reverse) {
    return after < to ? { from, to: after } : { from, to };
  }
  const next = after + BELOW_ALL;
  return next > from ? { from: next, to } : { from, to };
}

function checkTable(table: Table): void {
  if (!TABLES.has(table)) {
    throw new TypeError("unknown table");
  }
}
