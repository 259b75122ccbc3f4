import { hash } from "node:crypto";

/** Bytes of a hash of the tree. */
export const HASH_BYTES = 32;

/** Levels of the tree that one level of tiles spans (C2SP tlog-tiles). */
export const TILE_HEIGHT = 8;

const LEAF = Buffer.of(0x00);
const NODE_BYTES = 1 + 2 * HASH_BYTES;

/** Hash of a leaf of the Merkle tree: SHA-256(0x00 ‖ entry), RFC 6962 section 2.1. */
export function leafHash(entry: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF, entry]));
}

/**
 * Hash of a leaf that lies in a larger buffer, without copying it: for whoever hashes many.
 * @param bytes The byte before `start` is overwritten.
 */
export function leafHashAt(bytes: Buffer, start: number, end: number): Buffer {
  bytes[start - 1] = 0x00;
  return sha256(bytes.subarray(start - 1, end));
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  const node = Buffer.allocUnsafe(NODE_BYTES);
  node[0] = 0x01;
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/**
 * By way of a string: a buffer that `hash` makes has memory of its own, which takes longer than the hashing itself. This one lies in
 * V8's heap, as small ones that are not from Node's pool do: of the pool, a hash that is kept would keep 64 KiB.
 */
function sha256(data: string | Uint8Array): Buffer {
  const text = hash("sha256", data, "latin1");
  const bytes = Buffer.alloc(HASH_BYTES);
  for (let i = 0; i < HASH_BYTES; i++) {
    bytes[i] = text.charCodeAt(i);
  }
  return bytes;
}

/** Root of a complete subtree, given its leaves' or lower nodes' hashes one after the other: a power of 2 of them. */
export function packedRoot(hashes: Uint8Array): Buffer {
  const row = Buffer.allocUnsafe(1 + hashes.length);
  row.set(hashes, 1);
  for (let length = hashes.length; length > HASH_BYTES; length /= 2) {
    for (let at = 0; at < length; at += 2 * HASH_BYTES) {
      // The byte before a pair belongs to the pair before, which is hashed already; so do the bytes that take its hash.
      row[at] = 0x01;
      row.write(hash("sha256", row.subarray(at, at + NODE_BYTES), "latin1"), 1 + at / 2, HASH_BYTES, "latin1");
    }
  }
  return row.subarray(1, 1 + HASH_BYTES);
}

/** Root of the empty tree: SHA-256 of nothing. */
export const EMPTY_ROOT: Buffer = sha256("");

/**
 * What an append-only Merkle tree (RFC 6962 section 2.1) must remember to grow: its size and the roots of its
 * complete subtrees, the largest first, at most 53. Immutable.
 */
export class Frontier {
  static readonly EMPTY = new Frontier(0, []);

  /** Number of leaves. */
  readonly size: number;
  /** One 32-byte hash for each 1 in the binary form of `size`, the largest subtree first. */
  readonly hashes: readonly Buffer[];

  constructor(size: number, hashes: readonly Buffer[]) {
    if (!Number.isSafeInteger(size) || size < 0 || hashes.length !== onesIn(size)) {
      throw new RangeError("the frontier does not fit the tree's size");
    }
    this.size = size;
    this.hashes = hashes;
  }

  /**
   * The frontier after these leaf hashes were appended.
   * @param onTile Told the root of each complete subtree of 256 leaves, which a full tile of leaves has, as it is hashed here.
   */
  append(leaves: readonly Buffer[], onTile: (root: Buffer) => void = () => {}): Frontier {
    const hashes = [...this.hashes];
    let size = this.size;
    for (const leaf of leaves) {
      let hash = leaf;
      let height = 0;
      // As in binary addition: each subtree of the same size as the new one is merged with it.
      for (let carry = size; carry % 2 === 1; carry = Math.floor(carry / 2)) {
        hash = nodeHash(hashes.pop() as Buffer, hash);
        height += 1;
        if (height === TILE_HEIGHT) {
          onTile(hash);
        }
      }
      hashes.push(hash);
      size += 1;
    }
    return new Frontier(size, hashes);
  }

  /** The tree's root, 32 bytes; of an empty tree SHA-256 of nothing. */
  root(): Buffer {
    const hashes = [...this.hashes];
    let root = hashes.pop();
    if (root === undefined) {
      return Buffer.from(EMPTY_ROOT);
    }
    for (let left = hashes.pop(); left !== undefined; left = hashes.pop()) {
      root = nodeHash(left, root);
    }
    return root;
  }
}

function onesIn(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) {
    ones += rest % 2;
  }
  return ones;
}
