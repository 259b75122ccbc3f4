import { TILE_WIDTH, type TileAddress, tileWidth } from "./tile.ts";
import { HASH_BYTES, leafHashAt } from "./tree.ts";

/**
 * Where a log's tiles and bundles come from. Nothing of it is trusted.
 * @returns undefined when it is not there. Then, in place of a partial one, the full one is asked for (C2SP tlog-tiles). No bytes
 * when whoever keeps it has lost it: a bundle that is not there may count as pruned, such a one never does.
 */
export type ReadLog = (address: TileAddress) => Promise<Uint8Array | undefined>;

/**
 * A tile or bundle; of a wider one in place of a partial one, the part that belongs to the tree.
 * @param treeSize Of the log that is read, when a tree that it had before is looked at: a partial tile of then may be there as
 * part of a partial one of now, which C2SP tlog-tiles has no other name for.
 */
export async function readPart(read: ReadLog, address: TileAddress, treeSize: number): Promise<Uint8Array | undefined> {
  const { level, index, width } = address;
  const own = await read(address);
  if (own !== undefined || width === TILE_WIDTH) {
    return own;
  }
  for (const wider of new Set([tileWidth(level, index, treeSize), TILE_WIDTH])) {
    const bytes = wider > width ? await read({ ...address, width: wider }) : undefined;
    if (bytes !== undefined) {
      return bytes.subarray(0, level === "entries" ? endOfEntry(bytes, width) : endOfHash(bytes, width, wider));
    }
  }
  return undefined;
}

/**
 * Parts of a log in their order, while some more of them are being read.
 * @param treeSize As for `readPart`.
 */
export async function* readAhead(
  read: ReadLog,
  addresses: Iterable<TileAddress>,
  count: number,
  treeSize = 0,
): AsyncGenerator<{ readonly address: TileAddress; readonly bytes: Uint8Array | undefined }> {
  const reading: { readonly address: TileAddress; readonly bytes: Promise<Uint8Array | undefined> }[] = [];
  const next = async () => {
    const { address, bytes } = reading.shift() as (typeof reading)[number];
    return { address, bytes: await bytes };
  };
  for (const address of addresses) {
    const bytes = readPart(read, address, treeSize);
    // Awaited in its turn; until then nobody has failed to handle it.
    bytes.catch(() => {});
    reading.push({ address, bytes });
    if (reading.length >= count) {
      yield await next();
    }
  }
  while (reading.length > 0) {
    yield await next();
  }
}

/** What became of a bundle. */
export interface HashedBundle {
  /** Entries that were right. */
  readonly right: number;
  /** Entries that are there, before the form is wrong. */
  readonly entries: number;
  /** What is wrong with the form, in words. */
  readonly problem?: string;
}

/**
 * Hashes a bundle's entries one after the other.
 * @param isRight Takes each entry's place in the bundle, and its hash.
 */
export function hashBundle(
  bundle: Uint8Array,
  width: number,
  isRight: (at: number, hash: Buffer) => boolean,
): HashedBundle {
  // A copy: hashing writes a byte before each entry.
  const bytes = Buffer.from(bundle);
  let right = 0;
  let entries = 0;
  for (let at = 0; at < bytes.length; entries++) {
    if (entries === width) {
      return { right, entries, problem: `the bundle goes on after ${width} entries` };
    }
    const end = endOfEntryAt(bytes, at);
    if (end > bytes.length) {
      return { right, entries, problem: "the bundle is cut short" };
    }
    if (isRight(entries, leafHashAt(bytes, at + 2, end))) {
      right += 1;
    }
    at = end;
  }
  return entries === width
    ? { right, entries }
    : { right, entries, problem: `the bundle has ${entries} entries, not ${width}` };
}

/** Where the first entries of a bundle end; its length when it has fewer. */
function endOfEntry(bundle: Uint8Array, count: number): number {
  const bytes = Buffer.from(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  let at = 0;
  for (let entry = 0; entry < count && at < bytes.length; entry++) {
    at = endOfEntryAt(bytes, at);
  }
  return at;
}

/** Each entry comes after its length, two bytes, big-endian. */
function endOfEntryAt(bytes: Buffer, at: number): number {
  return at + 2 <= bytes.length ? at + 2 + bytes.readUInt16BE(at) : Number.POSITIVE_INFINITY;
}

/** A tile that has not the hashes that its name says stays as it is: its length is then the wrong one. */
function endOfHash(tile: Uint8Array, count: number, named: number): number {
  return tile.length === named * HASH_BYTES ? count * HASH_BYTES : tile.length;
}
