import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { subtreeRoot } from "./tile.ts";
import { EMPTY_ROOT, Frontier, leafHash } from "./tree.ts";

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

const LEAVES = Array.from({ length: 70 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));

/** RFC 6962 section 2.1 to the letter, from all leaves. */
function rootByDefinition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) {
    return sha256();
  }
  if (leaves.length === 1) {
    return leaves[0] as Buffer;
  }
  let split = 1;
  while (split * 2 < leaves.length) {
    split *= 2;
  }
  const left = rootByDefinition(leaves.slice(0, split));
  return sha256(Buffer.of(1), left, rootByDefinition(leaves.slice(split)));
}

test("the root of every size equals that of the definition in RFC 6962 section 2.1", () => {
  for (let size = 0; size <= LEAVES.length; size++) {
    const leaves = LEAVES.slice(0, size);
    assert.deepEqual(Frontier.EMPTY.append(leaves).root(), rootByDefinition(leaves), `size ${size}`);
  }
});

test("entries appended in several steps give the tree of one step", () => {
  for (const steps of [
    [1, 1, 1],
    [3, 4],
    [16, 16, 16, 1],
    [0, 7, 0, 33],
  ]) {
    let frontier = Frontier.EMPTY;
    for (const count of steps) {
      frontier = frontier.append(LEAVES.slice(frontier.size, frontier.size + count));
    }
    assert.deepEqual(frontier.root(), Frontier.EMPTY.append(LEAVES.slice(0, frontier.size)).root());
  }
});

test("appending leaves the frontier that it begins with as it was", () => {
  const before = Frontier.EMPTY.append(LEAVES.slice(0, 3));
  const root = before.root();
  before.append(LEAVES.slice(3, 9));
  assert.deepEqual(before.root(), root);
  assert.equal(before.size, 3);
});

test("a frontier whose hashes do not fit its size is refused", () => {
  assert.throws(() => new Frontier(3, []), RangeError);
  assert.throws(() => new Frontier(-1, []), RangeError);
  assert.throws(() => new Frontier(2 ** 53, []), RangeError);
});

test("who appends is told the root of each full tile of leaves, and of nothing else", () => {
  const leaves = Array.from({ length: 1_100 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));
  const told: Buffer[] = [];
  const most = Frontier.EMPTY.append(leaves.slice(0, 500), (root) => told.push(root));
  most.append(leaves.slice(500), (root) => told.push(root));
  assert.deepEqual(
    told,
    [0, 1, 2, 3].map((tile) => subtreeRoot(leaves.slice(tile * 256, (tile + 1) * 256))),
  );
});

test("there is no frontier of what is no size, and whoever changes the root that he was given changes no other", () => {
  for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    for (let count = 0; count < 3; count++) {
      assert.throws(() => new Frontier(size, LEAVES.slice(0, count)), RangeError, `${size}`);
    }
  }
  Frontier.EMPTY.root().fill(1);
  assert.deepEqual(Frontier.EMPTY.root(), sha256());
  assert.deepEqual(EMPTY_ROOT, sha256());
});
