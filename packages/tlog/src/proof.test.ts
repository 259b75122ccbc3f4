import assert from "node:assert/strict";
import { test } from "node:test";
import { isConsistent, isIncluded, proveConsistency, proveInclusion, type ReadNode, treeRoot } from "./proof.ts";
import { subtreeRoot } from "./tile.ts";
import { EMPTY_ROOT, Frontier, leafHash, nodeHash } from "./tree.ts";

const LEAVES = Array.from({ length: 300 }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));

const read: ReadNode = async (level, index) => {
  const count = 2 ** level;
  return subtreeRoot(LEAVES.slice(index * count, (index + 1) * count));
};

const rootOf = (size: number): Buffer => Frontier.EMPTY.append(LEAVES.slice(0, size)).root();

test("the root of every size is that of the frontier", async () => {
  for (let size = 0; size <= LEAVES.length; size++) {
    assert.deepEqual(await treeRoot(size, read), rootOf(size), `size ${size}`);
  }
});

test("every leaf of every tree is proved, and no other one", async () => {
  for (let size = 1; size <= 70; size++) {
    for (let index = 0; index < size; index++) {
      const path = await proveInclusion(index, size, read);
      const leaf = LEAVES[index] as Buffer;
      const root = rootOf(size);
      assert.equal(isIncluded(leaf, index, size, path, root), true, `${index} of ${size}`);
      assert.equal(isIncluded(LEAVES[index + 1] as Buffer, index, size, path, root), false);
      assert.equal(isIncluded(leaf, index ^ 1, size, path, root), false);
      assert.equal(isIncluded(leaf, index, size, [...path, root], root), false);
      assert.equal(size > 1 && isIncluded(leaf, index, size, path.slice(1), root), false);
      assert.equal(isIncluded(leaf, index, size, path, rootOf(size + 1)), false);
    }
  }
});

test("a path or proof that is longer than its tree is high shows nothing, though it leads to the root", async () => {
  const above = (root: Buffer): Buffer => nodeHash(EMPTY_ROOT, root);
  for (let size = 1; size <= 20; size++) {
    for (let index = 0; index < size; index++) {
      const path = [...(await proveInclusion(index, size, read)), EMPTY_ROOT];
      const leaf = LEAVES[index] as Buffer;
      assert.equal(isIncluded(leaf, index, size, path, above(rootOf(size))), false, `${index} of ${size}`);
    }
    for (let from = 1; from < size; from++) {
      const proof = [...(await proveConsistency(from, size, read)), EMPTY_ROOT];
      assert.equal(
        isConsistent(from, above(rootOf(from)), size, above(rootOf(size)), proof),
        false,
        `${from} to ${size}`,
      );
    }
  }
});

test("every two trees are proved consistent, and no changed one", async () => {
  for (let to = 0; to <= 70; to++) {
    for (let from = 0; from <= to; from++) {
      const proof = await proveConsistency(from, to, read);
      assert.equal(isConsistent(from, rootOf(from), to, rootOf(to), proof), true, `${from} to ${to}`);
      assert.equal(isConsistent(from, rootOf(from), to, rootOf(to), [...proof, EMPTY_ROOT]), false);
      // Any tree begins with the empty one.
      assert.equal(isConsistent(from, rootOf(from), to, rootOf(to + 1), proof), from === 0 && to > 0);
      assert.equal(isConsistent(from, rootOf(from + 1), to, rootOf(to), proof), false);
      for (const i of proof.keys()) {
        const changed = proof.with(i, leafHash(proof[i] as Buffer));
        assert.equal(isConsistent(from, rootOf(from), to, rootOf(to), changed), false);
        assert.equal(isConsistent(from, rootOf(from), to, rootOf(to), proof.toSpliced(i, 1)), false);
      }
    }
  }
});

test("a leaf that is not there, and a tree that shrinks, are refused", async () => {
  await assert.rejects(proveInclusion(5, 5, read), RangeError);
  await assert.rejects(proveInclusion(-1, 5, read), RangeError);
  await assert.rejects(proveInclusion(0.5, 5, read), RangeError);
  await assert.rejects(proveConsistency(6, 5, read), RangeError);
  assert.equal(isIncluded(LEAVES[0] as Buffer, 5, 5, [], rootOf(5)), false);
  assert.equal(isConsistent(6, rootOf(6), 5, rootOf(5), []), false);
});

test("what is no count of leaves is no leaf and no tree, and is refused at once", { timeout: 10_000 }, async () => {
  const [leaf, root] = [LEAVES[0] as Buffer, rootOf(1)];
  for (const wrong of [-1, -0.5, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    await assert.rejects(proveInclusion(wrong, 5, read), RangeError, `leaf ${wrong}`);
    await assert.rejects(proveInclusion(0, wrong, read), RangeError, `tree ${wrong}`);
    await assert.rejects(proveConsistency(wrong, 5, read), RangeError, `from ${wrong}`);
    await assert.rejects(proveConsistency(1, wrong, read), RangeError, `to ${wrong}`);
    assert.equal(isIncluded(leaf, wrong, 1, [], root), false, `leaf ${wrong}`);
    assert.equal(isIncluded(leaf, 0, wrong, [], root), false, `tree ${wrong}`);
    assert.equal(isConsistent(wrong, root, wrong, root, []), false, `trees ${wrong}`);
    assert.equal(isConsistent(wrong, root, 1, root, []), false, `from ${wrong}`);
    assert.equal(isConsistent(1, root, wrong, root, []), false, `to ${wrong}`);
    assert.equal(isConsistent(0, EMPTY_ROOT, wrong, root, []), false, `from nothing to ${wrong}`);
  }
  assert.equal(isConsistent(2, rootOf(2), 1, root, [root]), false);
  assert.equal(isConsistent(3, rootOf(3), 7, rootOf(7), []), false);
});
