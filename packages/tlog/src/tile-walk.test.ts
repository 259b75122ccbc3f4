import assert from "node:assert/strict";
import { test } from "node:test";
import { tilePath, tileWidth } from "./tile.ts";
import { edgeTiles, tilesOf } from "./tile-walk.ts";

test("a walk has each tile and bundle of the tree once, as wide as it is, and none that is empty", () => {
  for (const size of [0, 1, 255, 256, 257, 512, 65_535, 65_536, 65_537, 131_072]) {
    const expected: string[] = [];
    for (let level = 0; tileWidth(level, 0, size) > 0; level++) {
      for (let index = 0; tileWidth(level, index, size) > 0; index++) {
        const width = tileWidth(level, index, size);
        expected.push(tilePath({ level, index, width }));
        if (level === 0) {
          expected.push(tilePath({ level: "entries", index, width }));
        }
      }
    }
    const walked = [...tilesOf(size)].map(tilePath);
    assert.deepEqual(walked.toSorted(), expected.toSorted(), `${size} entries`);
    assert.ok(edgeTiles(size).every(({ width }) => width > 0 && width < 256));
  }
});

test("a walk from an entry on leaves out just what covers nothing but earlier ones", () => {
  const bundles = (from: number): number[] =>
    [...tilesOf(65_536 + 600, from)].filter(({ level }) => level === "entries").map(({ index }) => index);
  for (const [from, first] of [
    [0, 0],
    [255, 0],
    [256, 1],
    [65_535, 255],
    [65_536, 256],
    [66_048, 258],
  ] as const) {
    assert.deepEqual(
      bundles(from),
      Array.from({ length: 259 - first }, (_, i) => first + i),
      `from ${from}`,
    );
  }
});
