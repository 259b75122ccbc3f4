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
import type { FilledTile } from "./edges.ts";
import type { AuditLog } from "./log.ts";
import { besidePruning } from "./pruning.ts";

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
  readonly #isProvenLater: boolean;

  /**
   * @param isProvenLater Whether archived entries are taken whose hash was lost with the tile above: by who then compares the root
   * that they lead to, and keeps no tile before.
   */
  constructor(store: TreeStore, log: AuditLog, isProvenLater = false) {
    this.#store = store;
    this.#log = log;
    this.#isProvenLater = isProvenLater;
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
   * @throws EntriesLost when the store lacks one; RangeError when the archive does, or the log is not that long.
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

  /** The entries of an archived bundle, if they are those that the tree was made of. @throws RangeError */
  async archived(index: number): Promise<readonly Buffer[]> {
    const bundle = await this.#store.archivedBundle(index);
    if (bundle === undefined) {
      throw new RangeError("these entries are archived, and the archive does not have them");
    }
    const entries = decodeBundle(bundle, TILE_WIDTH);
    // Not a tile that would itself be made again from these entries.
    const root = (await this.known(1, Math.floor(index / TILE_WIDTH)))[index % TILE_WIDTH];
    if (root === undefined) {
      if (!this.#isProvenLater) {
        throw new RangeError("the tile that tells whether the archive has the right entries was lost");
      }
    } else if (!subtreeRoot(entries.map(leafHash)).equals(root)) {
      throw new RangeError("the archive has other entries than those that were archived");
    }
    return entries;
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
    await this.#store.keepTile({ level, index, hashes });
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
