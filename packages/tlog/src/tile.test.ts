import assert from "node:assert/strict";
import { test } from "node:test";
import { isIncluded, proveInclusion, treeRoot } from "./proof.ts";
import {
  decodeBundle,
  encodeBundle,
  nodesOfTiles,
  parseTilePath,
  subtreeRoot,
  type TileAddress,
  tileHashes,
  tilePath,
  tileWidth,
} from "./tile.ts";
import { Frontier, HASH_BYTES, leafHash } from "./tree.ts";

const PATHS: readonly (readonly [string, TileAddress])[] = [
  ["tile/0/000", { level: 0, index: 0, width: 256 }],
  ["tile/0/000.p/1", { level: 0, index: 0, width: 1 }],
  ["tile/63/999", { level: 63, index: 999, width: 256 }],
  ["tile/1/x001/000.p/255", { level: 1, index: 1000, width: 255 }],
  ["tile/entries/x001/x234/067", { level: "entries", index: 1_234_067, width: 256 }],
];

test("paths of tiles and bundles are those of C2SP tlog-tiles, both ways", () => {
  for (const [path, address] of PATHS) {
    assert.equal(tilePath(address), path);
    assert.deepEqual(parseTilePath(path), address);
  }
});

for (const path of [
  "",
  "tile/0/0",
  "tile/00/000",
  "tile/64/000",
  "tile/-1/000",
  "tile/0/000.p/0",
  "tile/0/000.p/01",
  "tile/0/000.p/256",
  "tile/0/000.p/257",
  "tile/entries/000.p/999",
  "tile/0/000.p/1000",
  "tile/0/000.p/",
  "tile/0/x000/001",
  "tile/0/001/000",
  "tile/0/x001/x000",
  "tile/0/x999/x999/x999/x999/x999/x999/999",
  "tile/0/000/",
  "/tile/0/000",
  "tile/0/../000",
  "tile/entry/000",
]) {
  test(`no path of a tile: ${path}`, () => {
    assert.equal(parseTilePath(path), undefined);
  });
}

test("a tree of 70,000 entries has the tiles that the standard names", () => {
  assert.equal(tileWidth(0, 272, 70_000), 256);
  assert.equal(tileWidth(0, 273, 70_000), 112);
  assert.equal(tileWidth(0, 274, 70_000), 0);
  assert.equal(tileWidth(1, 0, 70_000), 256);
  assert.equal(tileWidth(1, 1, 70_000), 17);
  assert.equal(tileWidth(2, 0, 70_000), 1);
  assert.equal(tileWidth(3, 0, 70_000), 0);
  assert.equal(tileWidth("entries", 273, 70_000), 112);
});

test("bundles give back their entries, and refuse what is cut, longer or of another width", () => {
  const entries = [Buffer.from("a"), Buffer.alloc(0), Buffer.alloc(65_535, 7)];
  const bundle = encodeBundle(entries);
  assert.deepEqual(decodeBundle(bundle, 3), entries);
  for (const cut of [1, 2, 4, 6, bundle.length - 1]) {
    assert.throws(
      () => decodeBundle(bundle.subarray(0, cut), 3),
      /^RangeError: the entry bundle is cut short$/,
      `${cut}`,
    );
  }
  const longer = Buffer.concat([bundle, Buffer.of(0)]);
  assert.throws(() => decodeBundle(longer, 3), /^RangeError: the entry bundle is cut short$/);
  for (const width of [0, 2, 4]) {
    assert.throws(() => decodeBundle(bundle, width), new RegExp(`^RangeError: .* has 3 entries, not ${width}$`));
  }
  assert.throws(() => encodeBundle([Buffer.alloc(65_536)]), /^RangeError: an entry is longer than a bundle can hold$/);
  assert.throws(() => tileHashes(Buffer.alloc(33), 1), /^RangeError: the tile is 33 bytes long, not 1 hashes$/);
});

test("a tile gives its hashes, as views of it", () => {
  const hashes = [1, 2, 3].map((fill) => Buffer.alloc(HASH_BYTES, fill));
  const tile = new Uint8Array([9, ...Buffer.concat(hashes), 9]).subarray(1, -1);
  const given = tileHashes(tile, 3);
  assert.deepEqual(given, hashes);
  tile.fill(7);
  assert.deepEqual(
    given,
    Array.from({ length: 3 }, () => Buffer.alloc(HASH_BYTES, 7)),
  );
  assert.deepEqual(tileHashes(new Uint8Array(0), 0), []);
  for (const width of [2, 4]) {
    assert.throws(
      () => tileHashes(tile, width),
      new RegExp(`^RangeError: the tile is 96 bytes long, not ${width} hashes$`),
    );
  }
});

test("an empty entry is one wherever it stands, and its length is all there is of it", () => {
  const empty = Buffer.alloc(0);
  for (const entries of [[], [empty], [empty, empty], [Buffer.from("a"), empty], [empty, Buffer.from("a")]]) {
    const bundle = encodeBundle(entries);
    assert.deepEqual(decodeBundle(bundle, entries.length), entries);
    for (const more of [Buffer.of(0), Buffer.of(0, 1), Buffer.of(0, 2, 0)]) {
      const whole = Buffer.concat([bundle, more]);
      assert.throws(() => decodeBundle(whole, entries.length + 1), /^RangeError: the entry bundle is cut short$/);
    }
  }
});

for (const size of [1, 2, 255, 256, 257, 65_535, 65_536, 65_537]) {
  test(`root and proofs of a tree of ${size} entries come from its tiles alone`, async () => {
    const leaves = Array.from({ length: size }, (_, i) => leafHash(Buffer.from(String(i))));
    const rows = [leaves];
    while ((rows.at(-1) as Buffer[]).length >= 256) {
      const below = rows.at(-1) as Buffer[];
      const count = Math.floor(below.length / 256);
      rows.push(Array.from({ length: count }, (_, i) => subtreeRoot(below.slice(i * 256, (i + 1) * 256))));
    }
    const nodes = nodesOfTiles(size, async (level, index, width) => {
      const hashes = rows[level]?.slice(index * 256, index * 256 + width) ?? [];
      assert.equal(hashes.length, width);
      return hashes;
    });
    const root = Frontier.EMPTY.append(leaves).root();
    assert.deepEqual(await treeRoot(size, nodes), root);
    for (const index of new Set([0, Math.floor(size / 2), size - 1])) {
      const path = await proveInclusion(index, size, nodes);
      assert.equal(isIncluded(leaves[index] as Buffer, index, size, path, root), true);
    }
    await assert.rejects(nodes(0, size), RangeError);
  });
}
