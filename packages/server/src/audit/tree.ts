import { setImmediate } from "node:timers/promises";
import {
  decodeBundle,
  encodeBundle,
  HASH_BYTES,
  leafHash,
  nodesOfTiles,
  proveConsistency,
  proveInclusion,
  type ReadNode,
  subtreeRoot,
  TILE_WIDTH,
  tileHashes,
  tileWidth,
} from "@bunkms/tlog";
import { bundlePath } from "./archive-folder.ts";
import { ArchiveChanged, ArchiveUnfit } from "./archive-unfit.ts";
import type { FilledTile } from "./edges.ts";
import type { AuditLog } from "./log.ts";
import { besidePruning } from "./pruning.ts";
import { Unproven } from "./unproven.ts";

/** Where the tree's parts lie. */
export interface TreeStore {
  /** A stored tile; undefined when there is none. */
  tile(level: number, index: number): Promise<Buffer | undefined>;
  /** Writes a tile that was lost. */
  keepTile(tile: FilledTile): Promise<void>;
  /** Entries from `first` to before `end`. @throws RangeError when one of them is missing. */
  entries(first: number, end: number): Promise<readonly Buffer[]>;
  /** Entries before this index lie in the archive alone: a multiple of 256. */
  readonly pruned: number;
  /** A bundle that was archived, as somebody may have changed it; undefined when there is none. */
  archivedBundle(index: number): Promise<Buffer | undefined>;
}

/** Entries that the store must have are not there: somebody removed them. */
export class EntriesLost extends RangeError {
  constructor(what: string) {
    super(what);
    this.name = "EntriesLost";
  }
}

/**
 * The log's Merkle tree, read from its tiles. Tiles are derived from the entries: one that was lost is made again.
 */
export class AuditTree {
  readonly #store: TreeStore;
  readonly #log: AuditLog;
  readonly #unproven: Unproven | undefined;

  /**
   * @param unproven Takes the tiles that are made, also of archived entries whose hash was lost with the tile above: for who then
   * compares the hash that they lead to. Absent: tiles are kept once they are proven.
   */
  constructor(store: TreeStore, log: AuditLog, unproven?: Unproven) {
    this.#store = store;
    this.#log = log;
    this.#unproven = unproven;
  }

  /**
   * The first hashes of a tile.
   * @throws RangeError when the tree does not have them.
   */
  async tile(level: number, index: number, width: number): Promise<readonly Buffer[]> {
    const { frontier, edges } = this.#log.end;
    const present = tileWidth(level, index, frontier.size);
    if (width > present || width < 1) {
      throw new RangeError("there is no such tile");
    }
    const edge = present < TILE_WIDTH ? edges.level(level) : [];
    return edge.length >= width ? edge.slice(0, width) : (await this.#full(level, index)).slice(0, width);
  }

  /**
   * The first entries of a bundle, as C2SP tlog-tiles lays them out.
   * @throws RangeError when the log does not have them.
   */
  async bundle(index: number, width: number): Promise<Buffer> {
    const { size } = this.#log.frontier;
    if (width > tileWidth("entries", index, size) || width < 1) {
      throw new RangeError("there is no such bundle");
    }
    return encodeBundle(await this.entries(index * TILE_WIDTH, index * TILE_WIDTH + width));
  }

  /**
   * Entries from `first` to before `end`, archived ones as well.
   * @throws EntriesLost when the store lacks one; ArchiveUnfit when the archive does; RangeError when the log is not that long.
   */
  async entries(first: number, end: number): Promise<readonly Buffer[]> {
    try {
      // Those that are pruned meanwhile are in the archive.
      return await besidePruning(
        () => this.#store.pruned,
        () => this.#read(first, end),
      );
    } catch (error) {
      const isToBeThere = first >= this.#store.pruned && end <= this.#log.frontier.size;
      throw error instanceof RangeError && isToBeThere
        ? new EntriesLost(`${error.message}: of ${first} to ${end - 1}`)
        : error;
    }
  }

  async #read(first: number, end: number): Promise<readonly Buffer[]> {
    const entries: Buffer[] = [];
    let next = first;
    while (next < end && next < this.#store.pruned) {
      const index = Math.floor(next / TILE_WIDTH);
      const start = index * TILE_WIDTH;
      entries.push(...(await this.archived(index)).slice(next - start, end - start));
      next = Math.min(end, start + TILE_WIDTH);
    }
    return next < end ? [...entries, ...(await this.#store.entries(next, end))] : entries;
  }

  /** The entries of an archived bundle, if they are those that the tree was made of. @throws ArchiveUnfit */
  async archived(index: number): Promise<readonly Buffer[]> {
    const bundle = await this.#store.archivedBundle(index);
    if (bundle === undefined) {
      throw new ArchiveUnfit(`these entries are archived, and the archive does not have them: ${bundlePath(index)}`);
    }
    const entries = archivedEntries(index, bundle);
    const root = await this.#rootAbove(0, index);
    if (root === undefined) {
      this.#unproven?.take(index);
    } else if (!subtreeRoot(entries.map(leafHash)).equals(root)) {
      throw new ArchiveChanged([index]);
    }
    return entries;
  }

  /** The root of a full tile, as the tile above has it; undefined when that one was lost and all is proven later. @throws RangeError */
  async #rootAbove(level: number, index: number): Promise<Buffer | undefined> {
    const [above, place] = [Math.floor(index / TILE_WIDTH), index % TILE_WIDTH];
    // As it is stored, not made again from the very entries that it is to vouch for.
    const root = (await this.known(level + 1, above))[place];
    return root ?? (this.#unproven === undefined ? (await this.#proven(level + 1, above))[place] : undefined);
  }

  /** Makes a full tile that was lost again, of archived entries as they are, and keeps it if it leads to the tile above. */
  async #proven(level: number, index: number): Promise<readonly Buffer[]> {
    const unproven = new Unproven();
    const hashes = await new AuditTree(this.#store, this.#log, unproven).derive(level, index, TILE_WIDTH);
    const root = await this.#rootAbove(level, index);
    if (root === undefined || !subtreeRoot(hashes).equals(root)) {
      throw unproven.refusal() ?? new EntriesLost("the audit log's tiles do not agree");
    }
    for (const tile of [...unproven.tiles, { level, index, hashes }]) {
      await this.#store.keepTile(tile);
    }
    return hashes;
  }

  /** The hashes that there are of a tile; none when it was lost, for it is not made again here. */
  async known(level: number, index: number): Promise<readonly Buffer[]> {
    const { frontier, edges } = this.#log.end;
    if (tileWidth(level, index, frontier.size) < TILE_WIDTH && edges.level(level).length > 0) {
      return edges.level(level);
    }
    const stored = await this.#store.tile(level, index);
    return stored === undefined ? [] : tileHashes(stored, Math.floor(stored.length / HASH_BYTES));
  }

  /** Nodes of the tree of the first `size` entries. */
  nodes(size: number): ReadNode {
    return nodesOfTiles(size, (level, index, width) => this.tile(level, index, width));
  }

  /** @throws RangeError */
  async proveInclusion(index: number, size: number): Promise<readonly Buffer[]> {
    return proveInclusion(index, size, this.nodes(size));
  }

  /** @throws RangeError */
  async proveConsistency(from: number, to: number): Promise<readonly Buffer[]> {
    return proveConsistency(from, to, this.nodes(to));
  }

  /** A full tile, or a partial one of a higher level: stored, or made again from what it is derived from. */
  async #full(level: number, index: number): Promise<readonly Buffer[]> {
    const width = tileWidth(level, index, this.#log.frontier.size);
    const stored = await this.#store.tile(level, index);
    if (stored?.length === width * HASH_BYTES) {
      return tileHashes(stored, width);
    }
    const hashes = await this.derive(level, index, width);
    const tile = { level, index, hashes };
    if (this.#unproven === undefined) {
      await this.#store.keepTile(tile);
    } else {
      this.#unproven.add(tile);
    }
    // Of many tiles that were lost: calls come in between.
    await setImmediate();
    return hashes;
  }

  /** Makes the first hashes of a tile from the entries, or from the tiles below. @throws RangeError */
  async derive(level: number, index: number, width: number): Promise<readonly Buffer[]> {
    const first = index * TILE_WIDTH;
    if (level === 0) {
      return (await this.entries(first, first + width)).map(leafHash);
    }
    const hashes: Buffer[] = [];
    for (let below = first; below < first + width; below++) {
      hashes.push(subtreeRoot(await this.#full(level - 1, below)));
    }
    return hashes;
  }
}

/** @throws ArchiveChanged when it is no whole bundle. */
function archivedEntries(index: number, bundle: Buffer): readonly Buffer[] {
  try {
    return decodeBundle(bundle, TILE_WIDTH);
  } catch {
    throw new ArchiveChanged([index]);
  }
}
