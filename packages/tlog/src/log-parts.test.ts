import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { hashBundle, type ReadLog, readAhead, readPart } from "./log-parts.ts";
import { encodeBundle, TILE_WIDTH, type TileAddress, tilePath } from "./tile.ts";
import { HASH_BYTES, leafHash } from "./tree.ts";

/** A log of these parts, with the paths that were asked for. */
function logOf(parts: Readonly<Record<string, Uint8Array>>): { readonly read: ReadLog; readonly asked: string[] } {
  const asked: string[] = [];
  const read = async (address: TileAddress) => {
    asked.push(tilePath(address));
    return parts[tilePath(address)];
  };
  return { read, asked };
}

const entriesOf = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));
const hashes = (count: number): Buffer => Buffer.from(Array.from({ length: count * HASH_BYTES }, (_, i) => i % 251));

describe("a part of a log", () => {
  const tile = { level: 0, index: 1, width: 5 };

  test("is looked for under its own name, then as part of the log's of now, then of the full one", async () => {
    const names = ["tile/0/001.p/5", "tile/0/001.p/7", "tile/0/001"];
    for (const [at, name] of names.entries()) {
      const { read, asked } = logOf({ [name]: hashes([5, 7, TILE_WIDTH][at] as number) });
      assert.deepEqual(await readPart(read, tile, TILE_WIDTH + 7), hashes(5), name);
      assert.deepEqual(asked, names.slice(0, at + 1));
    }
    const none = logOf({});
    assert.equal(await readPart(none.read, tile, TILE_WIDTH + 7), undefined);
    assert.deepEqual(none.asked, names);
  });

  test("is found in one that is wider by one hash alone", async () => {
    for (const [width, treeSize, name] of [
      [5, 6, "tile/0/000.p/6"],
      [255, 256, "tile/0/000"],
      [255, 0, "tile/0/000"],
    ] as const) {
      const { read } = logOf({ [name]: hashes(width + 1) });
      assert.deepEqual(await readPart(read, { level: 0, index: 0, width }, treeSize), hashes(width), `${width}`);
    }
  });

  test("is not looked for in one that is not wider, nor twice, and a full one nowhere else", async () => {
    for (const treeSize of [0, TILE_WIDTH + 4, TILE_WIDTH + 5, 3 * TILE_WIDTH]) {
      const { read, asked } = logOf({});
      await readPart(read, tile, treeSize);
      assert.deepEqual(asked, ["tile/0/001.p/5", "tile/0/001"], `${treeSize} entries`);
    }
    const { read, asked } = logOf({});
    assert.equal(await readPart(read, { ...tile, width: TILE_WIDTH }, 9999), undefined);
    assert.deepEqual(asked, ["tile/0/001"]);
  });

  test("of a tile that has not the hashes that its name says is all of it", async () => {
    for (const length of [0, 4 * HASH_BYTES, 5 * HASH_BYTES, 7 * HASH_BYTES + 1, 8 * HASH_BYTES]) {
      const { read } = logOf({ "tile/0/001.p/7": hashes(8).subarray(0, length) });
      assert.equal((await readPart(read, tile, TILE_WIDTH + 7))?.length, length);
    }
  });

  test("of a bundle ends with its last entry, also an empty one, and is all of one that has fewer or is cut", async () => {
    const bundle = { level: "entries", index: 0, width: 3 } as const;
    const partOf = async (bytes: Uint8Array) => readPart(logOf({ "tile/entries/000": bytes }).read, bundle, 0);
    for (const last of ["", "c", "ccc"]) {
      const whole = encodeBundle(entriesOf("a", "", last, "d"));
      assert.deepEqual(await partOf(whole), encodeBundle(entriesOf("a", "", last)));
    }
    const fewer = encodeBundle(entriesOf("a", "b"));
    assert.deepEqual(await partOf(fewer), fewer);
    for (const end of [Buffer.of(0), Buffer.of(0, 1), Buffer.of(0, 2, 0)]) {
      assert.deepEqual(await partOf(Buffer.concat([fewer, end])), Buffer.concat([fewer, end]));
    }
  });

  test("of a view of other bytes is within that view", async () => {
    const whole = encodeBundle(entriesOf("a", "b"));
    const view = Buffer.concat([Buffer.of(9, 9, 9), whole, Buffer.of(9)]).subarray(3, 3 + whole.length);
    const { read } = logOf({ "tile/entries/000": view });
    const part = await readPart(read, { level: "entries", index: 0, width: 1 }, 0);
    assert.deepEqual(part, encodeBundle(entriesOf("a")));
  });
});

describe("reading ahead", () => {
  const addresses = [1, 2, 3, 4, 5].map((index): TileAddress => ({ level: 0, index, width: TILE_WIDTH }));

  test("gives all in their order, whatever comes first, and has no more under way than it may", async () => {
    for (const count of [1, 2, 5, 9]) {
      let [underWay, most] = [0, 0];
      const read: ReadLog = async ({ index }) => {
        underWay += 1;
        most = Math.max(most, underWay);
        for (let turn = 0; turn < 20 - 3 * index; turn++) {
          await Promise.resolve();
        }
        underWay -= 1;
        return Buffer.of(index);
      };
      const got: (readonly [number, number | undefined])[] = [];
      for await (const { address, bytes } of readAhead(read, addresses, count)) {
        got.push([address.index, bytes?.[0]]);
      }
      assert.deepEqual(
        got,
        [1, 2, 3, 4, 5].map((index) => [index, index]),
      );
      assert.equal(most, Math.min(count, addresses.length), `${count} ahead`);
    }
  });

  test("looks for partial ones as parts of the log's of now, of no size unless it is told", async () => {
    const partial = [{ level: 0, index: 0, width: 5 }];
    for (const [treeSize, names] of [
      [undefined, ["tile/0/000.p/5", "tile/0/000"]],
      [7, ["tile/0/000.p/5", "tile/0/000.p/7", "tile/0/000"]],
    ] as const) {
      const { read, asked } = logOf({});
      const parts = await Array.fromAsync(
        treeSize === undefined ? readAhead(read, partial, 1) : readAhead(read, partial, 1, treeSize),
      );
      assert.deepEqual([parts[0]?.bytes, asked], [undefined, names]);
    }
  });

  test("fails where what failed has its turn, not before", async () => {
    const read: ReadLog = async ({ index }) => {
      if (index === 3) {
        throw new Error("the disk");
      }
      await setImmediate();
      return Buffer.of(index);
    };
    const got: number[] = [];
    await assert.rejects(async () => {
      for await (const { address } of readAhead(read, addresses, 5)) {
        got.push(address.index);
      }
    }, /^Error: the disk$/);
    assert.deepEqual(got, [1, 2]);
  });
});

describe("hashing a bundle", () => {
  const hashed = (bytes: Uint8Array, width: number, isRight = (_at: number, _hash: Buffer): boolean => true) => {
    const seen: [number, Buffer][] = [];
    const result = hashBundle(bytes, width, (at, hash) => {
      seen.push([at, Buffer.from(hash)]);
      return isRight(at, hash);
    });
    return { ...result, seen };
  };

  test("gives each entry's hash with its place, counts the right ones, and leaves the bytes as they are", () => {
    for (const texts of [[], [""], ["a", "", "ccc"], ["a", "bb", ""]]) {
      const entries = entriesOf(...texts);
      const bundle = encodeBundle(entries);
      const before = Buffer.from(bundle);
      const isRight = (at: number) => at !== 1;
      assert.deepEqual(hashed(bundle, texts.length, isRight), {
        right: entries.filter((_, at) => isRight(at)).length,
        entries: texts.length,
        seen: entries.map((entry, at) => [at, leafHash(entry)]),
      });
      assert.deepEqual(bundle, before);
    }
  });

  test("says what is wrong with its form, after the entries before", () => {
    const bundle = encodeBundle(entriesOf("a", ""));
    const problemOf = (bytes: Uint8Array, width: number) => {
      const { right, entries, problem, seen } = hashed(bytes, width);
      assert.deepEqual([right, seen.length], [entries, entries]);
      return [entries, problem];
    };
    assert.deepEqual(problemOf(bundle, 3), [2, "the bundle has 2 entries, not 3"]);
    assert.deepEqual(problemOf(bundle, 1), [1, "the bundle goes on after 1 entries"]);
    assert.deepEqual(problemOf(Buffer.concat([bundle, Buffer.of(0)]), 2), [2, "the bundle goes on after 2 entries"]);
    for (const end of [Buffer.of(0), Buffer.of(0, 1), Buffer.of(0, 2, 0)]) {
      assert.deepEqual(problemOf(Buffer.concat([bundle, end]), 3), [2, "the bundle is cut short"]);
    }
  });
});
