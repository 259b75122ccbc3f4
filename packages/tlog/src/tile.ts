import { HASH_BYTES, nodeHash, TILE_HEIGHT } from "./tree.ts";

/** Hashes of a full tile, and entries of a full bundle (C2SP tlog-tiles). */
export const TILE_WIDTH = 256;
/** The most bytes of an entry that a bundle can hold. */
export const MAX_ENTRY_BYTES = 0xffff;

/** Which tile, or with the level `entries` which entry bundle. */
export interface TileAddress {
  /** 0 to 63. */
  readonly level: number | "entries";
  readonly index: number;
  /** 1 to 256; less than 256 of a partial one. */
  readonly width: number;
}

/** Path of a tile or bundle below a log's prefix, for example `tile/0/x001/x234/067.p/5`. */
export function tilePath({ level, index, width }: TileAddress): string {
  const groups: string[] = [];
  let rest = index;
  do {
    groups.unshift(String(rest % 1000).padStart(3, "0"));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${level}/${path}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

const TILE_PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** Reads a path; undefined when it is not exactly the one of a tile or bundle. */
export function parseTilePath(path: string): TileAddress | undefined {
  const [, level, groups, width] = TILE_PATH.exec(path) ?? [];
  if (level === undefined || groups === undefined) {
    return undefined;
  }
  const address: TileAddress = {
    level: level === "entries" ? level : Number(level),
    index: Number(groups.replaceAll(/[x/]/g, "")),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const isOne = address.width <= TILE_WIDTH && (address.level === "entries" || address.level <= 63);
  // Also refuses leading groups of zeros, a partial width of 256, and an index that is no safe integer.
  return isOne && tilePath(address) === path ? address : undefined;
}

/** The width that a tile has in a tree of this size; 0: there is none. Bundles are as wide as the tiles of level 0. */
export function tileWidth(level: number | "entries", index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** (level === "entries" ? 0 : level));
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

/**
 * Lays out an entry bundle: each entry after its length, two bytes, big-endian.
 * @throws RangeError when an entry is longer than 65,535 bytes.
 */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) {
      throw new RangeError("an entry is longer than a bundle can hold");
    }
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    parts.push(length, entry);
  }
  return Buffer.concat(parts);
}

/**
 * Reads an entry bundle. The entries are views of it.
 * @throws RangeError when it is not exactly so many entries.
 */
export function decodeBundle(bundle: Uint8Array, width: number): Buffer[] {
  const bytes = Buffer.from(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  const entries: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 2 <= bytes.length ? at + 2 + bytes.readUInt16BE(at) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) {
      throw new RangeError("the entry bundle is cut short");
    }
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (entries.length !== width) {
    throw new RangeError(`the entry bundle has ${entries.length} entries, not ${width}`);
  }
  return entries;
}

/** The hashes of a tile. They are views of it. @throws RangeError when it does not have this width. */
export function tileHashes(tile: Uint8Array, width: number): Buffer[] {
  if (tile.length !== width * HASH_BYTES) {
    throw new RangeError(`the tile is ${tile.length} bytes long, not ${width} hashes`);
  }
  const bytes = Buffer.from(tile.buffer, tile.byteOffset, tile.byteLength);
  return Array.from({ length: width }, (_, i) => bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

/** Root of a complete subtree, given the hashes of its leaves or lower nodes: a power of 2 of them. */
export function subtreeRoot(hashes: readonly Buffer[]): Buffer {
  let row = hashes;
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[2 * i] as Buffer, row[2 * i + 1] as Buffer));
  }
  return row[0] as Buffer;
}

/** Gives the hashes of a tile that is at least so wide. */
export type ReadTile = (level: number, index: number, width: number) => Promise<readonly Buffer[]>;

/**
 * Gives nodes of the tree of `size` leaves from its tiles: what proofs are made of.
 * @returns What throws RangeError for a node that is not complete in a tree of this size.
 */
export function nodesOfTiles(size: number, read: ReadTile): (level: number, index: number) => Promise<Buffer> {
  return async (level, index) => {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const count = 2 ** (level % TILE_HEIGHT);
    const first = index * count;
    const tile = Math.floor(first / TILE_WIDTH);
    const width = tileWidth(tileLevel, tile, size);
    const from = first % TILE_WIDTH;
    if (from + count > width) {
      throw new RangeError("there is no such node in a tree of this size");
    }
    const hashes = await read(tileLevel, tile, width);
    return subtreeRoot(hashes.slice(from, from + count));
  };
}
