import { StoreError } from "./store-error.ts";

/** Bytes of a page. */
export const PAGE_LENGTH = 4096;

// A page's header: type, flags, number of entries (2 bytes), end of the entries (2), LSN (8), next and previous page (8 each).
const COUNT_AT = 2;
const END_AT = 4;
const HEADER_LENGTH = 30;

const UNWRITTEN = 0;
const FREE_LIST = 2;
const LEAF = 3;
const BRANCH = 4;

/** Page 0 is kept for the file's own data and was never written; page 1 lists free pages. */
const FREE_LIST_PAGE = 1;

/** What kind of page it is. An unwritten one is all zero: room that was made, and a server that ended before it wrote. */
export type PageKind = "unwritten" | "free-list" | "leaf" | "branch";

/** Where an entry lies in its page. */
export interface EntryPlace {
  /** Offset of the entry: its key's length. */
  readonly at: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The entries of a leaf, as the Go server would read them. */
export interface Leaf {
  readonly entries: readonly EntryPlace[];
  /** Entries that the page counts but that do not fit into it: others were written over them. */
  readonly lost: number;
}

/**
 * Says what a page is.
 * @throws StoreError `not_a_store` for what Bunder never writes.
 */
export function pageKind(page: Buffer, number: number): PageKind {
  const type = page[0];
  const count = page.readUInt16LE(COUNT_AT);
  const end = page.readUInt16LE(END_AT);
  if (type === UNWRITTEN && page.every((byte) => byte === 0)) {
    return "unwritten";
  }
  if (type === FREE_LIST && number === FREE_LIST_PAGE) {
    return "free-list";
  }
  const isTree = (type === LEAF || type === BRANCH) && number > FREE_LIST_PAGE;
  if (!isTree || end < HEADER_LENGTH || end > PAGE_LENGTH || count > PAGE_LENGTH / 4) {
    throw new StoreError(
      "not_a_store",
      `page ${number} is not one that Bunder writes`,
      "Check that it is the data folder.",
    );
  }
  return type === LEAF ? "leaf" : "branch";
}

/** Reads a leaf's entries in their order: length and key, length and value, lengths in two bytes, little-endian. */
export function readLeaf(page: Buffer): Leaf {
  const count = page.readUInt16LE(COUNT_AT);
  const entries: EntryPlace[] = [];
  let at = HEADER_LENGTH;
  while (entries.length < count) {
    const entry = readEntry(page, at);
    if (entry === undefined) {
      break;
    }
    entries.push(entry);
    at += 4 + entry.key.length + entry.value.length;
  }
  return { entries, lost: count - entries.length };
}

/** The entry at an offset; undefined when none fits there. */
export function readEntry(page: Buffer, at: number): EntryPlace | undefined {
  if (at + 2 > page.length) {
    return undefined;
  }
  const keyEnd = at + 2 + page.readUInt16LE(at);
  if (keyEnd + 2 > page.length) {
    return undefined;
  }
  const valueEnd = keyEnd + 2 + page.readUInt16LE(keyEnd);
  if (valueEnd > page.length) {
    return undefined;
  }
  return { at, key: page.subarray(at + 2, keyEnd), value: page.subarray(keyEnd + 2, valueEnd) };
}
