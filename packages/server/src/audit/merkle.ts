import { sha256 } from "../crypto/hash.ts";

const LEAF = Buffer.of(0x00);
const NODE = Buffer.of(0x01);

/** Hash of a leaf of the Merkle tree: SHA-256(0x00 ‖ entry), RFC 6962 section 2.1. */
export function leafHash(entry: Uint8Array): Buffer {
  return sha256(LEAF, entry);
}

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(NODE, left, right);
}

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

  /** The frontier after these leaf hashes were appended. */
  append(leaves: readonly Buffer[]): Frontier {
    const hashes = [...this.hashes];
    let size = this.size;
    for (const leaf of leaves) {
      let hash = leaf;
      // As in binary addition: each subtree of the same size as the new one is merged with it.
      for (let carry = size; carry % 2 === 1; carry = Math.floor(carry / 2)) {
        hash = nodeHash(hashes.pop() as Buffer, hash);
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
      return sha256();
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
