import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  decodeBundle,
  encodeBundle,
  Frontier,
  HASH_BYTES,
  isConsistent,
  isIncluded,
  leafHash,
  subtreeRoot,
  TILE_WIDTH,
  tileWidth,
} from "@bunkms/tlog";
import { ArchiveChanged } from "./archive-unfit.ts";
import { Edges } from "./edges.ts";
import { AuditLog, type Batch, decodeBatch } from "./log.ts";
import { checkAgainst, LogDamaged, restoreEnd } from "./restore.ts";
import { AuditTree, type TreeStore } from "./tree.ts";

const SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537];

/** A log in memory with so many entries, in batches of various sizes. */
function logOf(size: number) {
  const entries = Array.from({ length: size }, (_, i) => Buffer.from(`entry ${i}`));
  const tiles = new Map<string, Buffer>();
  const log = new AuditLog();
  let last: Buffer = Buffer.alloc(0);
  for (let at = 0, step = 1; at < size; at += step, step = (step % 256) + 1) {
    const batch = log.prepare(entries.slice(at, at + step), 0);
    for (const { level, index, hashes } of batch.tiles) {
      tiles.set(`${level}/${index}`, Buffer.concat(hashes));
    }
    last = batch.payload;
    log.adopt(batch.end);
  }
  const kept: string[] = [];
  const store: TreeStore = {
    tile: async (level, index) => tiles.get(`${level}/${index}`),
    keepTile: async ({ level, index, hashes }) => {
      kept.push(`${level}/${index}`);
      tiles.set(`${level}/${index}`, Buffer.concat(hashes));
    },
    entries: async (first, end) => {
      const found = entries.slice(first, end);
      if (found.length < end - first || found.some((entry) => entry === undefined)) {
        throw new RangeError("missing");
      }
      return found;
    },
    pruned: 0,
    archivedBundle: async () => undefined,
  };
  return { entries, tiles, kept, log, store, tree: new AuditTree(store, log), last: decodeBatch(last) };
}

for (const size of SIZES) {
  test(`a log of ${size} entries has its tiles, bundles and proofs`, async () => {
    const { entries, log, tree, tiles } = logOf(size);
    const leaves = entries.map(leafHash);
    const { frontier } = log;
    assert.deepEqual(frontier, Frontier.EMPTY.append(leaves));
    let row: readonly Buffer[] = leaves;
    for (let level = 0; row.length > 0; level++) {
      for (let index = 0; index * TILE_WIDTH < row.length; index++) {
        const width = tileWidth(level, index, size);
        assert.deepEqual(await tree.tile(level, index, width), row.slice(index * 256, index * 256 + width));
      }
      await assert.rejects(tree.tile(level, Math.floor(row.length / 256), (row.length % 256) + 1), RangeError);
      row = Array.from({ length: Math.floor(row.length / 256) }, (_, i) =>
        subtreeRoot((row as Buffer[]).slice(i * 256, (i + 1) * 256)),
      );
    }
    // Those of leaves are stored when they are full, which is what a start reads of them.
    assert.equal([...tiles.keys()].filter((key) => key.startsWith("0/")).length, Math.floor(size / 256));
    for (const index of new Set([0, size >> 1, size - 1])) {
      const path = await tree.proveInclusion(index, size);
      assert.equal(isIncluded(leaves[index] as Buffer, index, size, path, frontier.root()), true);
      const before = Frontier.EMPTY.append(leaves.slice(0, index)).root();
      const proof = await tree.proveConsistency(index, size);
      assert.equal(isConsistent(index, before, size, frontier.root(), proof), true);
    }
    const last = Math.floor((size - 1) / 256);
    const width = tileWidth("entries", last, size);
    assert.deepEqual(decodeBundle(await tree.bundle(last, width), width), entries.slice(last * 256));
    await assert.rejects(tree.bundle(last, width + 1), RangeError);
    await assert.rejects(tree.bundle(last, 0), RangeError);
    await assert.rejects(tree.tile(0, last, 0), RangeError);
  });

  test(`a start finds where a log of ${size} entries ends, with its tiles and without`, async () => {
    const { log, store, last, tiles, kept } = logOf(size);
    assert.deepEqual(await restoreEnd(store, last), log.end);
    assert.deepEqual(kept, []);
    const before = new Map(tiles);
    tiles.clear();
    assert.deepEqual(await restoreEnd(store, last), log.end);
    for (const [key, tile] of tiles) {
      assert.deepEqual(tile, before.get(key), key);
    }
  });
}

test("a tile of a higher level that is behind the log is made anew", async () => {
  const { log, store, last, tiles } = logOf(3 * 256 + 7);
  tiles.set("1/0", (tiles.get("1/0") as Buffer).subarray(0, 2 * HASH_BYTES));
  assert.deepEqual(await restoreEnd(store, last), log.end);
  assert.equal(tiles.get("1/0")?.length, 3 * HASH_BYTES);
});

test("a tile of a higher level that is ahead of the log is made anew as well", async () => {
  const { log, store, last, tiles } = logOf(3 * 256 + 7);
  const before = tiles.get("1/0") as Buffer;
  tiles.set("1/0", Buffer.concat([before, Buffer.alloc(HASH_BYTES)]));
  assert.deepEqual(await restoreEnd(store, last), log.end);
  assert.deepEqual(tiles.get("1/0"), before);
});

test("no bundle is wider than 256 entries, also where the log goes on", async () => {
  const { tree } = logOf(600);
  await assert.rejects(tree.bundle(0, 257), RangeError);
  await assert.rejects(tree.tile(0, 0, 257), RangeError);
});

test("a lost tile that cannot be kept fails whoever reads it, and nobody else", async () => {
  const { log, store, tiles } = logOf(600);
  tiles.delete("0/1");
  const keepTile = async (): Promise<void> => {
    throw new Error("disk full");
  };
  await assert.rejects(new AuditTree({ ...store, keepTile }, log).tile(0, 1, 256), /disk full/);
});

/** A store whose first entries lie in the archive alone, as somebody may have changed it. */
function prunedStore({ entries, store }: ReturnType<typeof logOf>, pruned: number, changed?: number): TreeStore {
  return {
    ...store,
    pruned,
    entries: async (first, end) => {
      assert.ok(first >= pruned, "pruned entries are not in the store");
      return store.entries(first, end);
    },
    archivedBundle: async (index) =>
      encodeBundle(
        entries
          .slice(index * 256, (index + 1) * 256)
          .map((entry, i) => (index * 256 + i === changed ? Buffer.from("another") : entry)),
      ),
  };
}

test("what the archive has is not believed when the tile that vouches for it is lost, before it leads to the tile above", async () => {
  const made = logOf(65_537);
  const { log, entries, tiles, kept } = made;
  const before = new Map(tiles);
  const tree = new AuditTree(prunedStore(made, 512), log);
  assert.deepEqual(await tree.archived(1), entries.slice(256, 512));
  const forged = new AuditTree(prunedStore(made, 512, 300), log);
  const isForged = {
    name: "ArchiveChanged",
    message: /other entries than those that were archived, in tile\/entries\/001$/,
  };
  await assert.rejects(forged.archived(1), isForged);
  // Tiles are made again from entries: these must not vouch for themselves.
  tiles.delete("1/0");
  tiles.delete("0/1");
  await assert.rejects(forged.archived(1), isForged);
  await assert.rejects(forged.proveInclusion(300, 65_537), isForged);
  await assert.rejects(forged.tile(1, 0, 256), isForged);
  assert.deepEqual(kept, []);
  assert.deepEqual(await tree.archived(1), entries.slice(256, 512));
  assert.deepEqual(kept, ["1/0"]);
  const proof = await tree.proveInclusion(300, 65_537);
  assert.equal(isIncluded(leafHash(entries[300] as Buffer), 300, 65_537, proof, log.frontier.root()), true);
  assert.deepEqual(kept, ["1/0", "0/1"]);
  assert.deepEqual(new Map([...tiles].toSorted()), new Map([...before].toSorted()));
});

test("the hashes at the log's end vouch for pruned entries, too, when their tile was lost while the server runs", async () => {
  const made = logOf(3 * 256 + 7);
  made.tiles.delete("1/0");
  assert.deepEqual(await new AuditTree(prunedStore(made, 512), made.log).archived(1), made.entries.slice(256, 512));
  await assert.rejects(new AuditTree(prunedStore(made, 512, 300), made.log).archived(1), ArchiveChanged);
});

test("tiles of all levels that were lost together over pruned entries come back from the archive, in a log of millions", async () => {
  const size = 256 ** 3 + 300;
  const entry = Buffer.from("always the same");
  // Of equal entries all full tiles of a level are equal: none needs to be made before it is read.
  const row = [leafHash(entry)];
  for (let level = 1; level <= 3; level++) {
    row.push(subtreeRoot(Array.from({ length: 256 }, () => row[level - 1] as Buffer)));
  }
  const hashes = (level: number, count: number) => Array.from({ length: count }, () => row[level] as Buffer);
  const log = new AuditLog();
  const frontier = new Frontier(256 ** 3, hashes(3, 1)).append(hashes(0, 300));
  log.adopt({ frontier, edges: new Edges([hashes(0, 44), hashes(1, 1), [], hashes(3, 1)]), bytes: 0 });
  const lost = new Set(["2/0", "1/5", "0/1287"]);
  const storeWith = (archived: Buffer): TreeStore => ({
    tile: async (level, index) => (lost.has(`${level}/${index}`) ? undefined : Buffer.concat(hashes(level, 256))),
    keepTile: async ({ level, index, hashes: made }) => {
      assert.deepEqual(made, hashes(level, 256));
      lost.delete(`${level}/${index}`);
    },
    entries: () => assert.fail("pruned entries are not in the store"),
    pruned: 256 ** 3,
    archivedBundle: async (index) =>
      encodeBundle(Array.from({ length: 256 }, () => (index === 1287 ? archived : entry))),
  });
  const forged = new AuditTree(storeWith(Buffer.from("another")), log);
  await assert.rejects(forged.proveInclusion(1287 * 256, size), ArchiveChanged);
  assert.equal(lost.size, 3);
  const proof = await new AuditTree(storeWith(entry), log).proveInclusion(1287 * 256, size);
  assert.equal(isIncluded(leafHash(entry), 1287 * 256, size, proof, frontier.root()), true);
  assert.equal(lost.size, 0);
});

test("a start makes a lost tile of pruned entries again from the archive, as far as the tile above vouches for it", async () => {
  const made = logOf(3 * 256 + 7);
  const { log, tiles, last } = made;
  const before = new Map(tiles);
  tiles.set("1/0", (tiles.get("1/0") as Buffer).subarray(0, 2 * HASH_BYTES));
  tiles.delete("0/1");
  await assert.rejects(restoreEnd(prunedStore(made, 512, 300), last), /other entries .*, in tile\/entries\/001$/);
  assert.deepEqual(await restoreEnd(prunedStore(made, 512), last), log.end);
  assert.deepEqual(tiles, before);
});

test("a lost tile is made again when it is read, and kept", async () => {
  const { tree, tiles, kept } = logOf(600);
  const before = tiles.get("0/1") as Buffer;
  tiles.delete("0/1");
  assert.deepEqual(Buffer.concat(await tree.tile(0, 1, 256)), before);
  assert.deepEqual(kept, ["0/1"]);
  assert.deepEqual(tiles.get("0/1"), before);
});

test("entries that are pruned while they are read come from the archive; others are missing as before", async () => {
  const { entries, log, store } = logOf(600);
  const prunes = { pruned: 0, asked: 0 };
  const tree = new AuditTree(
    {
      ...store,
      get pruned() {
        return prunes.pruned;
      },
      entries: async (first, end) => {
        prunes.asked += 1;
        if (first < 256) {
          prunes.pruned = 256;
          throw new RangeError("missing");
        }
        return store.entries(first, end);
      },
      archivedBundle: async (index) => encodeBundle(entries.slice(index * 256, (index + 1) * 256)),
    },
    log,
  );
  assert.deepEqual(await tree.entries(250, 260), entries.slice(250, 260));
  assert.equal(prunes.asked, 2);
  await assert.rejects(tree.entries(600, 601), RangeError);
});

test("tiles that were lost of pruned entries are made again from the archive, once they lead to the root", async () => {
  const { entries, log, store, last, tiles, kept } = logOf(4 * 256 + 7);
  const archive = new Map(
    [0, 1, 2].map((index) => [index, encodeBundle(entries.slice(index * 256, (index + 1) * 256))] as const),
  );
  const pruned: TreeStore = {
    ...store,
    pruned: 3 * 256,
    entries: async (first, end) => {
      assert.ok(first >= 3 * 256);
      return store.entries(first, end);
    },
    archivedBundle: async (index) => archive.get(index),
  };
  const before = new Map(tiles);
  tiles.clear();
  const right = archive.get(1) as Buffer;
  const changed = Buffer.from(right);
  changed.writeUInt8((changed.at(-1) as number) ^ 1, changed.length - 1);
  archive.set(1, changed);
  const anyOfThem = /other entries .*, in one or more of 3 files from tile\/entries\/000 to tile\/entries\/002$/;
  await assert.rejects(restoreEnd(pruned, last), anyOfThem);
  archive.set(1, right.subarray(1));
  await assert.rejects(restoreEnd(pruned, last), /other entries .*, in tile\/entries\/001$/);
  archive.delete(1);
  await assert.rejects(restoreEnd(pruned, last), /archive does not have them: tile\/entries\/001$/);
  assert.deepEqual(kept, []);
  archive.set(1, right);
  assert.deepEqual(await restoreEnd(pruned, last), log.end);
  assert.deepEqual(new Map([...tiles].toSorted()), new Map([...before].toSorted()));
  assert.deepEqual(await new AuditTree(pruned, log).entries(256, 257), [entries[256]]);
});

test("however many tiles were lost, they are not all held until they lead to the root", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const size = 400 * 256 + 7;
  const entries = async (first: number, end: number) =>
    Array.from({ length: end - first }, (_, i) => Buffer.from(`entry ${first + i}`));
  let frontier = Frontier.EMPTY;
  for (let at = 0; at < size; at += 256) {
    frontier = frontier.append((await entries(at, Math.min(size, at + 256))).map(leafHash));
  }
  let before = 0;
  let held = 0;
  const kept: number[] = [];
  const store: TreeStore = {
    entries,
    pruned: 0,
    archivedBundle: async () => undefined,
    async tile() {
      if (before === 0) {
        collect();
        before = process.memoryUsage().heapUsed;
      }
      return undefined;
    },
    async keepTile({ level }) {
      if (kept.push(level) === 1) {
        collect();
        held = process.memoryUsage().heapUsed - before;
      }
    },
  };
  await restoreEnd(store, { frontier, bytes: 0 } as Batch);
  assert.deepEqual(kept.filter((level) => level === 0).length, 400);
  assert.ok(held < 8 * 1024 * 1024, `${held} bytes`);
});

test("a log whose entries are others than its last batch says is damaged, and so is one that lacks an entry", async () => {
  const changed = logOf(300);
  changed.entries[299] = Buffer.from("another");
  await assert.rejects(restoreEnd(changed.store, changed.last), LogDamaged);
  const cut = logOf(300);
  cut.entries.pop();
  await assert.rejects(restoreEnd(cut.store, cut.last), LogDamaged);
});

test("REQ-30: a checkpoint over more entries than there are, or over others, is noticed", async () => {
  const { log, tree } = logOf(300);
  const earlier = logOf(290).log.frontier;
  const signed = (size: number, root: Buffer) => `bkms/test/main\n${size}\n${root.toString("base64")}\n`;
  await checkAgainst(signed(300, log.frontier.root()), tree, log.end);
  await checkAgainst(signed(290, earlier.root()), tree, log.end);
  await assert.rejects(checkAgainst(signed(301, log.frontier.root()), tree, log.end), /300 entries.*over 301/);
  await assert.rejects(checkAgainst(signed(290, log.frontier.root()), tree, log.end), LogDamaged);
});
