import type { Checkpoint } from "./checkpoint.ts";
import { hashBundle, type ReadLog, readAhead, readPart } from "./log-parts.ts";
import { isConsistent, proveConsistency, treeRoot } from "./proof.ts";
import { nodesOfTiles, TILE_WIDTH, type TileAddress, tileHashes, tilePath } from "./tile.ts";
import { edgeTiles, tilesOf } from "./tile-walk.ts";
import { Frontier, HASH_BYTES, packedRoot } from "./tree.ts";

/** What is wrong with a log, and where. */
export interface LogProblem {
  /** Of the tile or bundle, for example `tile/entries/003.p/5`; absent when it is of the whole log. */
  readonly path?: string;
  /** Index of the first entry that it is about. */
  readonly entry?: number;
  /** In words. Without bytes of the log. */
  readonly message: string;
}

/** How a log is verified. */
export interface VerifyLogOptions {
  /** Entries before this one, and tiles over nothing else, are not looked at. 0 by default. */
  readonly from?: number;
  /** Checkpoints that the log must have grown from. Their signatures are the caller's concern. */
  readonly earlier?: readonly Checkpoint[];
  /** Whether the oldest bundles may be missing, as those of a log that was pruned. */
  readonly allowPruned?: boolean;
  /**
   * Size of the log that is read, when it has grown since the checkpoint: partial tiles of then are looked for as parts of those
   * of now, too. Not trusted.
   */
  readonly treeSize?: number;
  /** How many tiles and bundles are asked for before the first of them is there: 1 by default. */
  readonly ahead?: number;
  /** Is told of each problem as it is found. It may throw: then verifying ends with that error. */
  readonly onProblem?: (problem: LogProblem) => void;
  /** Is given each tile and bundle that is what the checkpoint says it is; of a full one in place of a partial one, that part. */
  readonly onVerified?: (address: TileAddress, bytes: Uint8Array) => Promise<void> | void;
  /** Is told, after each bundle, up to which entry the log was verified. */
  readonly onProgress?: (entries: number) => void;
}

/** What was looked at. */
export interface LogReport {
  /** Empty of a log that is what its checkpoint says. */
  readonly problems: readonly LogProblem[];
  /** Entries whose bytes were hashed and compared. */
  readonly entries: number;
  /** Entries that were pruned: from `from` on so many, which only the tree's hashes vouch for. */
  readonly pruned: number;
}

/** A tile on the way from the root to the entry that is verified now. */
interface HeldTile {
  readonly index: number;
  /** The tile's bytes, so many hashes as belong to the tree; undefined when it is missing or has another length. */
  readonly hashes: Buffer | undefined;
  /** Whether it is what the checkpoint says. */
  readonly isTrusted: boolean;
}

/**
 * Verifies that a log's tiles and bundles are, to the last byte, those of a checkpoint, which the caller has opened: the
 * partial tiles lead to its root, each other tile to its hash in the tile above, and each entry to its hash in the tile of
 * level 0. Holds one tile of each level and one bundle, whatever the size, and what is read ahead.
 *
 * @returns All problems, up to a thousand. Whatever `read` throws, it throws.
 */
export async function verifyLog(
  read: ReadLog,
  checkpoint: Checkpoint,
  options: VerifyLogOptions = {},
): Promise<LogReport> {
  const verifier = new LogVerifier(checkpoint, options);
  const addresses = tilesOf(checkpoint.size, options.from);
  for await (const { address, bytes } of readAhead(read, addresses, options.ahead ?? 1, options.treeSize)) {
    await verifier.take(address, bytes);
  }
  verifier.end();
  for (const one of options.earlier ?? []) {
    await verifier.compare(one, read);
  }
  return verifier.report;
}

const MAX_PROBLEMS = 1_000;

class LogVerifier {
  readonly #checkpoint: Checkpoint;
  readonly #options: VerifyLogOptions;
  readonly #edges = new Map<number, HeldTile>();
  /** The full tile of each level that was read last. */
  readonly #full = new Map<number, HeldTile>();
  readonly #problems: LogProblem[] = [];
  #edgesLeft: number;
  /** Verified when all of them are there. */
  #waiting: { readonly address: TileAddress; readonly bytes: Uint8Array }[] = [];
  #entries = 0;
  #pruned = 0;
  #hasBundle = false;

  constructor(checkpoint: Checkpoint, options: VerifyLogOptions) {
    this.#checkpoint = checkpoint;
    this.#options = options;
    this.#edgesLeft = edgeTiles(checkpoint.size).length;
  }

  get report(): LogReport {
    return { problems: this.#problems, entries: this.#entries, pruned: this.#pruned };
  }

  async take(address: TileAddress, bytes: Uint8Array | undefined): Promise<void> {
    const { level } = address;
    if (level === "entries") {
      await this.#takeBundle(address, bytes);
    } else if (this.#edgesLeft > 0) {
      await this.#takeEdge({ ...address, level }, bytes);
    } else {
      await this.#takeTile({ ...address, level }, bytes);
    }
  }

  /** Says so when all bundles were missing: a log of which nothing is left is not one that was pruned. */
  end(): void {
    if (this.#pruned > 0 && !this.#hasBundle) {
      this.#report({ message: "no bundle of entries is there" });
    }
  }

  /** Whether the log begins with what another checkpoint was signed over. Proofs are verified, so what is read may be anything. */
  async compare(earlier: Checkpoint, read: ReadLog): Promise<void> {
    const { size, root } = this.#checkpoint;
    const name = `the checkpoint of ${earlier.size} entries`;
    if (earlier.size > size) {
      this.#report({ message: `the log has ${size} entries, fewer than ${name}: its end was cut off` });
      return;
    }
    let lacking: string | undefined;
    const nodes = nodesOfTiles(size, async (level, index, width) => {
      const address = { level, index, width };
      const bytes = (await readPart(read, address, this.#options.treeSize ?? 0)) ?? new Uint8Array(0);
      if (bytes.length !== width * HASH_BYTES) {
        lacking ??= tilePath(address);
      }
      return tileHashes(bytes, width);
    });
    // What the tiles say that the log began with, once it is proven; before, it accuses nobody.
    let begin: Buffer | undefined;
    try {
      const claimed = earlier.size === size ? root : await treeRoot(earlier.size, nodes);
      const proof = await proveConsistency(earlier.size, size, nodes);
      begin = isConsistent(earlier.size, claimed, size, root, proof) ? claimed : undefined;
    } catch (error) {
      if (!(error instanceof RangeError)) {
        throw error;
      }
    }
    const untold = `it cannot be told whether the log begins with what ${name} was signed over`;
    if (lacking !== undefined) {
      this.#report({ path: lacking, message: `without this tile ${untold}` });
    } else if (begin === undefined) {
      this.#report({ message: `tiles are damaged, so that ${untold}` });
    } else if (!begin.equals(earlier.root)) {
      this.#report({ message: `the log does not begin with what ${name} was signed over: it was rewritten` });
    }
  }

  async #takeEdge(address: TileAddress & { readonly level: number }, bytes: Uint8Array | undefined): Promise<void> {
    const { level, index } = address;
    const hashes = this.#requireTile(address, bytes);
    this.#edges.set(level, { index, hashes, isTrusted: false });
    this.#edgesLeft -= 1;
    if (hashes !== undefined && bytes !== undefined) {
      this.#waiting.push({ address, bytes });
    }
    if (this.#edgesLeft > 0) {
      return;
    }
    const edges = [...this.#edges];
    if (edges.some(([, { hashes }]) => hashes === undefined)) {
      return;
    }
    if (
      !rootOfEdges(
        this.#checkpoint.size,
        edges.map(([, tile]) => tile.hashes as Buffer),
      ).equals(this.#checkpoint.root)
    ) {
      const paths = this.#waiting.map(({ address }) => tilePath(address)).join(", ");
      this.#report({ message: `the tiles at the log's end do not lead to the checkpoint's root: one of ${paths}` });
      return;
    }
    for (const [at, tile] of edges) {
      this.#edges.set(at, { ...tile, isTrusted: true });
    }
    for (const one of this.#waiting.splice(0)) {
      await this.#options.onVerified?.(one.address, one.bytes);
    }
  }

  async #takeTile(address: TileAddress & { readonly level: number }, bytes: Uint8Array | undefined): Promise<void> {
    const { level, index } = address;
    const parent = this.#tileOf(level + 1, Math.floor(index / TILE_WIDTH));
    const hashes = this.#requireTile(address, bytes);
    const expected = hashAt(parent, index % TILE_WIDTH);
    const isLinked = hashes !== undefined && expected !== undefined && packedRoot(hashes).equals(expected);
    const isTrusted = isLinked && parent?.isTrusted === true;
    this.#full.set(level, { index, hashes, isTrusted });
    if (hashes !== undefined && expected !== undefined && !isLinked) {
      this.#report({
        path: tilePath(address),
        entry: index * TILE_WIDTH ** (level + 1),
        message: `the tile does not lead to its hash in ${parentPath(address, this.#checkpoint.size)}`,
      });
    }
    if (isTrusted) {
      await this.#options.onVerified?.(address, bytes as Uint8Array);
    }
  }

  async #takeBundle(address: TileAddress, bytes: Uint8Array | undefined): Promise<void> {
    const { index, width } = address;
    const first = index * TILE_WIDTH;
    const path = tilePath(address);
    if (bytes === undefined) {
      if (this.#options.allowPruned === true && !this.#hasBundle) {
        this.#pruned += width;
      } else {
        this.#report({ path, entry: first, message: "the bundle is missing" });
      }
      return;
    }
    this.#hasBundle = true;
    const tile = this.#tileOf(0, index);
    const { right, entries, problem } = hashBundle(bytes, width, (at, hash) => {
      const expected = hashAt(tile, at);
      if (expected !== undefined && !hash.equals(expected)) {
        const message =
          tile?.isTrusted === true
            ? "the entry is not the one whose hash is in the tile"
            : "the entry and its hash in the tile do not fit together";
        this.#report({ path, entry: first + at, message: `${message}: ${tilePath({ ...address, level: 0 })}` });
        return false;
      }
      return expected !== undefined;
    });
    this.#entries += right;
    if (problem !== undefined) {
      this.#report({ path, entry: first + Math.min(entries, width - 1), message: problem });
    } else if (right === width && tile?.isTrusted === true) {
      await this.#options.onVerified?.(address, bytes);
    }
    this.#options.onProgress?.(first + width);
  }

  #tileOf(level: number, index: number): HeldTile | undefined {
    return [this.#edges.get(level), this.#full.get(level)].find((tile) => tile?.index === index);
  }

  /** The tile's hashes, so many as belong to the tree; undefined, and a problem, when they are not there. */
  #requireTile(address: TileAddress & { readonly level: number }, bytes: Uint8Array | undefined): Buffer | undefined {
    const hashes = bytes?.length === address.width * HASH_BYTES ? asBuffer(bytes) : undefined;
    if (hashes === undefined) {
      const what = bytes === undefined ? "is missing" : `is ${bytes.length} bytes long, not ${address.width} hashes`;
      const entry = address.index * TILE_WIDTH ** (address.level + 1);
      this.#report({ path: tilePath(address), entry, message: `the tile ${what}` });
    }
    return hashes;
  }

  #report(problem: LogProblem): void {
    if (this.#problems.length < MAX_PROBLEMS) {
      this.#problems.push(problem);
    }
    this.#options.onProblem?.(problem);
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function hashAt(tile: HeldTile | undefined, at: number): Buffer | undefined {
  return tile?.hashes?.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
}

function parentPath({ index, level }: { readonly index: number; readonly level: number }, size: number): string {
  const parent = Math.floor(index / TILE_WIDTH);
  const edge = edgeTiles(size).find((one) => one.level === level + 1 && one.index === parent);
  return tilePath(edge ?? { level: level + 1, index: parent, width: TILE_WIDTH });
}

/** Root of a tree, given the hashes of its partial tiles, the highest first. */
function rootOfEdges(size: number, tiles: readonly Buffer[]): Buffer {
  const hashes: Buffer[] = [];
  for (const tile of tiles) {
    // The complete subtrees of a tile's hashes are as large as the 1s in their number's binary form.
    for (let count = TILE_WIDTH / 2, at = 0; count >= 1; count /= 2) {
      if ((tile.length / HASH_BYTES) % (2 * count) >= count) {
        hashes.push(packedRoot(tile.subarray(at, at + count * HASH_BYTES)));
        at += count * HASH_BYTES;
      }
    }
  }
  return new Frontier(size, hashes).root();
}
