import { EMPTY_ROOT, nodeHash } from "./tree.ts";

/**
 * Gives the root of a complete subtree: that of the 2^level leaves from index · 2^level on. Of level 0, a leaf's hash.
 */
export type ReadNode = (level: number, index: number) => Promise<Buffer>;

/** Root of the tree of the first `size` leaves (RFC 6962 section 2.1). Reads one node for each 1 in the size's binary form. */
export async function treeRoot(size: number, read: ReadNode): Promise<Buffer> {
  return size === 0 ? Buffer.from(EMPTY_ROOT) : rangeRoot(0, size, read);
}

/**
 * The audit path of a leaf in the tree of the first `size` leaves (RFC 6962 section 2.1.1), from the leaf's sibling to
 * the root's child.
 * @throws RangeError when there is no such leaf.
 */
export async function proveInclusion(index: number, size: number, read: ReadNode): Promise<Buffer[]> {
  if (!isCount(index) || !isCount(size) || index >= size) {
    throw new RangeError("there is no such leaf in a tree of this size");
  }
  const path: Buffer[] = [];
  for (let low = 0, high = size; high - low > 1; ) {
    const middle = low + largestPowerBelow(high - low);
    if (index < middle) {
      path.push(await rangeRoot(middle, high, read));
      high = middle;
    } else {
      path.push(await rangeRoot(low, middle, read));
      low = middle;
    }
  }
  return path.reverse();
}

/**
 * The proof that the tree of `to` leaves begins with the one of `from` (RFC 6962 section 2.1.2). Empty when both are of
 * one size, or the smaller is empty.
 * @throws RangeError when `from` is the larger one.
 */
export async function proveConsistency(from: number, to: number, read: ReadNode): Promise<Buffer[]> {
  if (!isCount(from) || !isCount(to) || from > to) {
    throw new RangeError("the second tree is smaller than the first");
  }
  const path: Buffer[] = [];
  if (from === 0 || from === to) {
    return path;
  }
  let low = 0;
  let high = to;
  let isWhole = true;
  while (from < high) {
    const middle = low + largestPowerBelow(high - low);
    if (from <= middle) {
      path.push(await rangeRoot(middle, high, read));
      high = middle;
    } else {
      path.push(await rangeRoot(low, middle, read));
      low = middle;
      isWhole = false;
    }
  }
  if (!isWhole) {
    path.push(await rangeRoot(low, high, read));
  }
  return path.reverse();
}

/** Whether this path leads from a leaf of this index to the root of a tree of this size (RFC 9162 section 2.1.3.2). */
export function isIncluded(leaf: Buffer, index: number, size: number, path: readonly Buffer[], root: Buffer): boolean {
  if (!isCount(index) || !isCount(size) || index >= size) {
    return false;
  }
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) {
      return false;
    }
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && hash.equals(root);
}

/** Whether a proof shows that the second tree begins with the first (RFC 9162 section 2.1.4.2). */
export function isConsistent(
  from: number,
  fromRoot: Buffer,
  to: number,
  toRoot: Buffer,
  proof: readonly Buffer[],
): boolean {
  if (!isCount(from) || !isCount(to) || from > to) {
    return false;
  }
  if (from === to) {
    return proof.length === 0 && fromRoot.equals(toRoot);
  }
  if (from === 0) {
    return proof.length === 0 && fromRoot.equals(EMPTY_ROOT);
  }
  let node = from - 1;
  let last = to - 1;
  while (isOdd(node)) {
    node = half(node);
    last = half(last);
  }
  // Of a complete first tree, its own root is where the path begins, and is not in the proof.
  const [start, ...rest] = node === 0 ? [fromRoot, ...proof] : proof;
  if (start === undefined) {
    return false;
  }
  let first = start;
  let second = start;
  for (const sibling of rest) {
    if (last === 0) {
      return false;
    }
    if (isOdd(node) || node === last) {
      first = nodeHash(sibling, first);
      second = nodeHash(sibling, second);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      second = nodeHash(second, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && first.equals(fromRoot) && second.equals(toRoot);
}

/** Root of the leaves from `low` to before `high`, where `low` is a multiple of the largest power of 2 in their number. */
async function rangeRoot(low: number, high: number, read: ReadNode): Promise<Buffer> {
  const count = high - low;
  const level = Math.log2(count);
  if (Number.isInteger(level)) {
    return read(level, low / count);
  }
  const middle = low + largestPowerBelow(count);
  return nodeHash(await rangeRoot(low, middle, read), await rangeRoot(middle, high, read));
}

/** The largest power of 2 that is less than this count of at least 2. Counts are beyond what `<<` reaches. */
function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) {
    power *= 2;
  }
  return power;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isOdd(value: number): boolean {
  return value % 2 === 1;
}

function half(value: number): number {
  return Math.floor(value / 2);
}
