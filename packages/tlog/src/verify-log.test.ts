import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { encodeBundle, subtreeRoot, TILE_WIDTH, type TileAddress, tilePath } from "./tile.ts";
import { tilesOf } from "./tile-walk.ts";
import { EMPTY_ROOT, Frontier, HASH_BYTES, leafHash } from "./tree.ts";
import { type LogReport, type VerifyLogOptions, verifyLog } from "./verify-log.ts";

/** A log's tiles and bundles by their paths, with its root. */
interface Log {
  readonly size: number;
  readonly root: Buffer;
  readonly parts: Map<string, Uint8Array>;
}

const entry = (index: number): Buffer => Buffer.from(`entry ${index}`);

function makeLog(size: number): Log {
  const entries = Array.from({ length: size }, (_, i) => entry(i));
  const rows: Buffer[][] = [entries.map(leafHash)];
  for (let below = rows[0] as Buffer[]; below.length >= TILE_WIDTH; below = rows.at(-1) as Buffer[]) {
    const count = Math.floor(below.length / TILE_WIDTH);
    rows.push(Array.from({ length: count }, (_, i) => subtreeRoot(below.slice(i * TILE_WIDTH, (i + 1) * TILE_WIDTH))));
  }
  const parts = new Map<string, Uint8Array>();
  for (const address of tilesOf(size)) {
    const first = address.index * TILE_WIDTH;
    const bytes =
      address.level === "entries"
        ? encodeBundle(entries.slice(first, first + address.width))
        : Buffer.concat((rows[address.level] as Buffer[]).slice(first, first + address.width));
    parts.set(tilePath(address), bytes);
  }
  return { size, root: rootAt(size), parts };
}

function rootAt(size: number): Buffer {
  return Frontier.EMPTY.append(Array.from({ length: size }, (_, i) => leafHash(entry(i)))).root();
}

function check({ size, root, parts }: Log, options?: VerifyLogOptions): Promise<LogReport> {
  return verifyLog(async (address) => parts.get(tilePath(address)), { origin: "log", size, root }, options);
}

const messages = ({ problems }: LogReport): readonly string[] =>
  problems.map(({ path = "", entry: at = "", message }) => `${path} ${at} ${message}`);

const SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537];

describe("a whole log", () => {
  for (const size of SIZES) {
    test(`of ${size} entries verifies, every tile and bundle of it`, async () => {
      const log = makeLog(size);
      const verified: string[] = [];
      const report = await check(log, { ahead: 3, onVerified: (address) => void verified.push(tilePath(address)) });
      assert.deepEqual(report, { problems: [], entries: size, pruned: 0 });
      assert.deepEqual(verified.toSorted(), [...log.parts.keys()].toSorted());
    });
  }

  test("of which one read fails ends with that error", async () => {
    const { size, root } = makeLog(300);
    await assert.rejects(
      verifyLog(() => Promise.reject(new Error("the disk")), { origin: "log", size, root }, { ahead: 8 }),
      /^Error: the disk$/,
    );
  });

  test("with full tiles and bundles in place of partial ones verifies as far as the checkpoint goes", async () => {
    const { parts } = makeLog(512);
    const full = async (address: TileAddress) =>
      address.width === TILE_WIDTH ? parts.get(tilePath(address)) : undefined;
    const report = await verifyLog(full, { origin: "log", size: 300, root: rootAt(300) });
    assert.deepEqual(messages(report), ["tile/1/000.p/1 0 the tile is missing"]);
    parts.set("tile/1/000", Buffer.alloc(TILE_WIDTH * HASH_BYTES));
    parts.get("tile/1/000.p/2")?.forEach((byte, i) => {
      (parts.get("tile/1/000") as Buffer)[i] = byte;
    });
    const whole = await verifyLog(full, { origin: "log", size: 300, root: rootAt(300) });
    assert.deepEqual(whole, { problems: [], entries: 300, pruned: 0 });
  });
});

describe("what is wrong is named with its place", () => {
  const change = (path: string, at: number) => (log: Log) => {
    const bytes = Buffer.from(log.parts.get(path) as Uint8Array);
    bytes[at] = (bytes[at] as number) ^ 1;
    log.parts.set(path, bytes);
  };
  const CASES: readonly (readonly [string, number, (log: Log) => unknown, readonly string[]])[] = [
    [
      "an entry",
      1000,
      change("tile/entries/002", 2),
      ["tile/entries/002 512 the entry is not the one whose hash is in the tile: tile/0/002"],
    ],
    [
      "a tile of level 0",
      1000,
      change("tile/0/001", 5 * HASH_BYTES),
      [
        "tile/0/001 256 the tile does not lead to its hash in tile/1/000.p/3",
        "tile/entries/001 261 the entry and its hash in the tile do not fit together: tile/0/001",
      ],
    ],
    [
      "a tile at the log's end",
      1000,
      change("tile/1/000.p/3", HASH_BYTES),
      [
        "  the tiles at the log's end do not lead to the checkpoint's root: one of tile/1/000.p/3, tile/0/003.p/232",
        "tile/0/001 256 the tile does not lead to its hash in tile/1/000.p/3",
      ],
    ],
    [
      "a tile of level 1",
      65_537,
      change("tile/1/000", 255 * HASH_BYTES),
      [
        "tile/1/000 0 the tile does not lead to its hash in tile/2/000.p/1",
        "tile/0/255 65280 the tile does not lead to its hash in tile/1/000",
      ],
    ],
    [
      "a bundle that is gone",
      1000,
      ({ parts }) => parts.delete("tile/entries/001"),
      ["tile/entries/001 256 the bundle is missing"],
    ],
    ["a tile that is gone", 1000, ({ parts }) => parts.delete("tile/0/001"), ["tile/0/001 256 the tile is missing"]],
    [
      "a tile at the log's end that is gone",
      1000,
      ({ parts }) => parts.delete("tile/0/003.p/232"),
      ["tile/0/003.p/232 768 the tile is missing"],
    ],
    [
      "a tile of another length",
      1000,
      ({ parts }) => parts.set("tile/0/001", Buffer.alloc(31)),
      ["tile/0/001 256 the tile is 31 bytes long, not 256 hashes"],
    ],
    [
      "a bundle with one entry less",
      1000,
      ({ parts }) =>
        parts.set("tile/entries/003.p/232", encodeBundle(Array.from({ length: 231 }, (_, i) => entry(768 + i)))),
      ["tile/entries/003.p/232 999 the bundle has 231 entries, not 232"],
    ],
    [
      "a bundle with one entry more",
      1000,
      ({ parts }) => parts.set("tile/entries/000", encodeBundle(Array.from({ length: 257 }, (_, i) => entry(i)))),
      ["tile/entries/000 255 the bundle goes on after 256 entries"],
    ],
  ];
  for (const [name, size, spoil, expected] of CASES) {
    test(name, async () => {
      const log = makeLog(size);
      spoil(log);
      assert.deepEqual(messages(await check(log)), expected);
    });
  }

  test("a thousand at most are kept, and all are told", async () => {
    const log = makeLog(2000);
    for (const path of [...log.parts.keys()].filter((one) => one.startsWith("tile/entries"))) {
      log.parts.set(
        path,
        (log.parts.get(path) as Uint8Array).map((byte) => (byte === 0x65 ? 0x45 : byte)),
      );
    }
    let told = 0;
    const { problems, entries } = await check(log, { onProblem: () => (told += 1) });
    assert.deepEqual([problems.length, told, entries], [1000, 2000, 0]);
  });
});

describe("a log that was pruned", () => {
  const pruned = (): Log => {
    const log = makeLog(1000);
    log.parts.delete("tile/entries/000");
    log.parts.delete("tile/entries/001");
    return log;
  };

  test("is a problem unless that is allowed; then it says how many entries were not looked at", async () => {
    assert.equal((await check(pruned())).problems.length, 2);
    assert.deepEqual(await check(pruned(), { allowPruned: true }), { problems: [], entries: 488, pruned: 512 });
  });

  test("may not miss a bundle after the first that is there, nor all of them", async () => {
    const log = pruned();
    log.parts.delete("tile/entries/003.p/232");
    assert.deepEqual(messages(await check(log, { allowPruned: true })), [
      "tile/entries/003.p/232 768 the bundle is missing",
    ]);
    log.parts.delete("tile/entries/002");
    assert.deepEqual(messages(await check(log, { allowPruned: true })), ["  no bundle of entries is there"]);
  });
});

describe("what is given out as verified", () => {
  const verifiedOf = async (log: Log): Promise<readonly string[]> => {
    const verified: string[] = [];
    await check(log, { onVerified: ({ level, index }) => void verified.push(`${level}/${index}`) });
    return verified;
  };

  test("is nothing when the tiles at the end do not lead to the root, however well all below fits them", async () => {
    for (const size of [1, 300, 65_600]) {
      assert.deepEqual(await verifiedOf({ ...makeLog(size), root: rootAt(size + 1) }), [], `${size} entries`);
    }
  });

  test("is nothing of what rests on a tile that is not the one of the tile above", async () => {
    const log = makeLog(65_536 + 300);
    const tile = Buffer.from(log.parts.get("tile/1/000") as Uint8Array);
    tile[5 * HASH_BYTES] = (tile[5 * HASH_BYTES] as number) ^ 1;
    log.parts.set("tile/1/000", tile);
    assert.deepEqual(await verifiedOf(log), ["2/0", "1/1", "0/257", "0/256", "entries/256", "entries/257"]);
  });
});

describe("whoever is given what is verified", () => {
  const log = makeLog(65_600);

  test("is waited for, one part after the other", async () => {
    let [begun, done] = [0, 0];
    const onVerified = async (): Promise<void> => {
      assert.equal(begun, done);
      begun += 1;
      await setImmediate();
      done += 1;
    };
    assert.deepEqual((await check(log, { onVerified })).problems, []);
    assert.deepEqual([begun, done], [log.parts.size, log.parts.size]);
  });

  test("ends it when he cannot take it, whichever part it is", async () => {
    for (const path of ["tile/0/256.p/64", "tile/0/007", "tile/entries/007"]) {
      const onVerified = async (address: TileAddress): Promise<void> => {
        await setImmediate();
        if (tilePath(address) === path) {
          throw new Error("disk full");
        }
      };
      await assert.rejects(check(log, { onVerified }), /^Error: disk full$/, path);
    }
  });
});

describe("what is looked at and not right", () => {
  test("a bundle with one other entry is not given out as verified", async () => {
    const log = makeLog(600);
    const entries = Array.from({ length: 256 }, (_, i) => entry(256 + i));
    entries[7] = Buffer.from("another");
    log.parts.set("tile/entries/001", encodeBundle(entries));
    const verified: string[] = [];
    const report = await check(log, { onVerified: (address) => void verified.push(tilePath(address)) });
    assert.deepEqual([report.problems.length, report.problems[0]?.entry, report.entries], [1, 263, 599]);
    assert.deepEqual(
      verified.toSorted(),
      [...log.parts.keys()].filter((path) => path !== "tile/entries/001").toSorted(),
    );
  });

  test("a bundle that ends within the length of an entry is said to be cut short", async () => {
    const log = makeLog(3);
    const bundle = log.parts.get("tile/entries/000.p/3") as Uint8Array;
    log.parts.set("tile/entries/000.p/3", bundle.subarray(0, 2 * (2 + entry(0).length) + 1));
    assert.deepEqual(messages(await check(log)), ["tile/entries/000.p/3 2 the bundle is cut short"]);
  });

  test("entries whose tile is missing are not counted as verified", async () => {
    const log = makeLog(600);
    log.parts.delete("tile/0/001");
    assert.equal((await check(log)).entries, 600 - 256);
  });

  test("a tile that is longer than it may be is said to be, not cut", async () => {
    for (const path of ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]) {
      const log = makeLog(600);
      log.parts.set(path, Buffer.concat([log.parts.get(path) as Uint8Array, Buffer.alloc(HASH_BYTES)]));
      assert.match(messages(await check(log))[0] ?? "", /^tile\/.* the tile is \d+ bytes long, not \d+ hashes$/, path);
    }
  });
});

describe("against earlier checkpoints", () => {
  test("a log that grew from them verifies, whole or only what is new", async () => {
    for (const size of [1, 1000, 65_537]) {
      const log = makeLog(size);
      for (const from of [0, 1, 255, 256, 257, 999, 1000, 65_536].filter((one) => one <= size)) {
        const earlier = [{ origin: "log", size: from, root: rootAt(from) }];
        const report = await check(log, { earlier, from });
        assert.deepEqual(report.problems, [], `${from} of ${size}`);
        assert.equal(report.entries, size - Math.min(Math.floor(from / 256), Math.floor(size / 256)) * 256);
      }
    }
  });

  test("one that was rewritten or cut off does not", async () => {
    const earlier = (size: number, root: Buffer) => ({ earlier: [{ origin: "log", size, root }] });
    const log = makeLog(1000);
    const expected =
      "  the log does not begin with what the checkpoint of 700 entries was signed over: it was rewritten";
    assert.deepEqual(messages(await check(log, earlier(700, rootAt(701)))), [expected]);
    assert.deepEqual(messages(await check(log, earlier(0, EMPTY_ROOT))), []);
    assert.deepEqual(messages(await check(log, earlier(1000, rootAt(999)))).length, 1);
    assert.deepEqual(messages(await check(log, earlier(1001, rootAt(1001)))), [
      "  the log has 1000 entries, fewer than the checkpoint of 1001 entries: its end was cut off",
    ]);
  });

  test("what is new is looked at only, with the tiles that lead to it", async () => {
    const log = makeLog(1000);
    log.parts.delete("tile/0/001");
    log.parts.delete("tile/entries/001");
    assert.deepEqual((await check(log, { from: 512 })).problems, []);
    assert.equal((await check(log, { from: 511 })).problems.length, 2);
  });

  test("a missing tile is said to be missing, not that the log was rewritten", async () => {
    const log = makeLog(1000);
    log.parts.delete("tile/1/000.p/3");
    assert.deepEqual(messages(await check(log, { earlier: [{ origin: "log", size: 700, root: rootAt(700) }] })), [
      "tile/1/000.p/3 0 the tile is missing",
      "tile/1/000.p/3  without this tile it cannot be told whether the log begins with what the checkpoint of 700 entries was signed over",
    ]);
  });

  test("a damaged tile accuses nobody of having rewritten the log, and a rewritten one is accused beside it", async () => {
    const log = makeLog(1000);
    const spoil = (path: string) => {
      const tile = Buffer.from(log.parts.get(path) as Uint8Array);
      tile.writeUInt8(tile.readUInt8(0) ^ 1, 0);
      return { ...log, parts: new Map(log.parts).set(path, tile) };
    };
    const earlier = (root: Buffer) => ({ earlier: [{ origin: "log", size: 700, root }] });
    const untold =
      "  tiles are damaged, so that it cannot be told whether the log begins with what the checkpoint of 700 entries was signed over";
    for (const path of ["tile/0/002", "tile/1/000.p/3"]) {
      const found = messages(await check(spoil(path), earlier(rootAt(700))));
      assert.equal(found.at(-1), untold, path);
      assert.ok(found.length > 1 && !found.join().includes("rewritten"), path);
    }
    // Not one that the comparison needs.
    assert.match(messages(await check(spoil("tile/0/000"), earlier(rootAt(701)))).at(-1) ?? "", /it was rewritten$/);
    assert.ok(
      !messages(await check(spoil("tile/0/000"), earlier(rootAt(700))))
        .join()
        .includes("rewritten"),
    );
  });

  test("a tile that is missing, or too short, is a problem of the comparison as well, and a failed read ends it", async () => {
    const log = makeLog(1000);
    const options = { earlier: [{ origin: "log", size: 700, root: rootAt(700) }] };
    for (const tile of [undefined, Buffer.alloc(HASH_BYTES)]) {
      const parts = new Map(log.parts);
      parts.delete("tile/0/002");
      if (tile !== undefined) {
        parts.set("tile/0/002", tile);
      }
      const found = messages(await check({ ...log, parts }, options));
      assert.match(found[0] ?? "", /^tile\/0\/002 512 the tile is /);
      assert.match(
        found.at(-1) ?? "",
        /cannot be told whether the log begins with what the checkpoint of 700 entries was signed over/,
      );
    }
    let reads = 0;
    const read = async (address: TileAddress) => {
      reads += 1;
      if (reads > log.parts.size) {
        throw new Error("the disk");
      }
      return log.parts.get(tilePath(address));
    };
    await assert.rejects(verifyLog(read, { origin: "log", size: 1000, root: log.root }, options), /^Error: the disk$/);
  });
});

describe("a checkpoint of before", () => {
  for (const [then, now] of [
    [1, 2],
    [700, 1000],
    [768, 1000],
    [1000, 66_000],
    [65_536, 65_537],
    [65_537, 66_000],
  ] as const) {
    test(`of ${then} entries verifies by the tiles of a log that has ${now} now`, async () => {
      const { parts } = makeLog(now);
      const log = { size: then, root: rootAt(then), parts };
      const earlier = [{ origin: "log", size: Math.floor(then / 2), root: rootAt(Math.floor(then / 2)) }];
      assert.deepEqual(await check(log, { treeSize: now, earlier, ahead: 3 }), {
        problems: [],
        entries: then,
        pruned: 0,
      });
    });
  }

  test("does not verify by tiles of another log, or by ones of a wrong length", async () => {
    const { parts } = makeLog(1000);
    const log = { size: 700, root: rootAt(701), parts };
    assert.equal((await check(log, { treeSize: 1000 })).problems.length, 1);
    for (const path of ["tile/1/000.p/3", "tile/0/002"]) {
      const cut = new Map(parts).set(path, (parts.get(path) as Uint8Array).subarray(1));
      const report = await check({ size: 700, root: rootAt(700), parts: cut }, { treeSize: 1000 });
      assert.ok(report.problems.length > 0, path);
    }
  });
});
