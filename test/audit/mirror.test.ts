import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { verifyLog } from "@bunkms/tlog";
import { folderPlace, type LogPlace } from "../../packages/cli/src/audit/log-place.ts";
import { type MirrorReport, mirrorLog } from "../../packages/cli/src/audit/mirror-log.ts";
import { openNote, readTrust } from "../../packages/cli/src/audit/trust.ts";
import { fakeIo, temporaryFolder } from "../../packages/cli/src/test-bed.ts";
import { failsWith, GrowingLog } from "./growing-log.ts";

const OPTIONS = { whole: false, allowPruned: false, onProgress: () => {} };

async function mirror(from: LogPlace, path: string, vkey: string, options = OPTIONS): Promise<MirrorReport> {
  const handovers = await from.handovers();
  return mirrorLog(from, path, await readTrust(fakeIo().io, { key: vkey }, handovers), handovers, options);
}

/** @returns What is wrong with a mirror. */
async function problemsOf(path: string, vkey: string) {
  const place = folderPlace(path);
  const trust = await readTrust(fakeIo().io, { key: vkey }, await place.handovers());
  const { checkpoint } = openNote(path, await place.checkpoint(), trust);
  return (await verifyLog(place.read, checkpoint, { earlier: trust.handedOverAt })).problems;
}

function filesOf(path: string): readonly string[] {
  const all = readdirSync(path, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .toSorted();
}

describe("a mirror", () => {
  test("grows with the log, fetches what is new only, and keeps no outgrown parts", async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(300);
    assert.equal((await mirror(log, folder.path, log.vkey)).fetched, 5);
    log.asked.length = 0;
    log.grow(1000);
    const report = await mirror(log, folder.path, log.vkey);
    assert.deepEqual([report.before, report.opened.checkpoint.size], [300, 1000]);
    assert.ok(!log.asked.includes("entries/0"), log.asked.join());
    assert.deepEqual(filesOf(folder.path), [
      "checkpoint",
      "tile/0/000",
      "tile/0/001",
      "tile/0/002",
      "tile/0/003.p/232",
      "tile/1/000.p/3",
      "tile/entries/000",
      "tile/entries/001",
      "tile/entries/002",
      "tile/entries/003.p/232",
    ]);
    assert.deepEqual(await problemsOf(folder.path, log.vkey), []);
  });

  test("of a log whose key was handed over twice refuses what only the first key has signed since", async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(300);
    const { vkey } = log;
    const stolen = log.checkpointBySigners();
    log.rotate();
    log.grow(400);
    log.rotate();
    log.grow(500);
    assert.equal((await mirror(log, folder.path, vkey)).opened.checkpoint.size, 500);
    writeFileSync(join(folder.path, "checkpoint"), stolen());
    await assert.rejects(problemsOf(folder.path, vkey), failsWith(8, /not signed by|no signature/));
  });

  test("that stopped half-way goes on where it stopped", async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(1000);
    let left = 6;
    const failing: LogPlace = {
      ...log,
      name: log.name,
      checkpoint: () => log.checkpoint(),
      handovers: () => log.handovers(),
      read: (address) => (left-- > 0 ? log.read(address) : Promise.reject(new Error("the network"))),
    };
    await assert.rejects(mirror(failing, folder.path, log.vkey), /the network/);
    assert.ok(!filesOf(folder.path).includes("checkpoint"));
    const first = filesOf(folder.path).length;
    assert.ok(first > 0);
    assert.equal((await mirror(log, folder.path, log.vkey)).fetched, 9 - first);
    assert.deepEqual(await problemsOf(folder.path, log.vkey), []);
  });

  test("that is not one of plain files of a log's size is refused, not read for ever", {
    timeout: 20_000,
  }, async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(300);
    await mirror(log, folder.path, log.vkey);
    const path = join(folder.path, "tile/entries/000");
    const large = join(folder.path, "large");
    writeFileSync(large, "");
    truncateSync(large, 2 ** 32);
    for (const make of [
      () => symlinkSync("/dev/zero", path),
      () => execFileSync("mkfifo", [path]),
      () => symlinkSync(large, path),
      () => mkdirSync(path),
    ]) {
      rmSync(path, { recursive: true });
      make();
      await assert.rejects(problemsOf(folder.path, log.vkey), failsWith(8, /no plain file, or larger/));
    }
  });

  test("where no folder can be made is refused, not tried for ever", { timeout: 20_000 }, async () => {
    const log = new GrowingLog(3);
    await assert.rejects(mirror(log, "/proc/x", log.vkey), failsWith(2, /^cannot make the folder \/proc\/x: ENOENT$/));
    using folder = temporaryFolder();
    const file = join(folder.path, "file");
    writeFileSync(file, "");
    await assert.rejects(
      mirror(log, file, log.vkey),
      failsWith(2, /^cannot make the folder .*\/file\/tile.*: ENOTDIR$/),
    );
  });

  test("with --whole fetches again what is missing", async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(1000);
    await mirror(log, folder.path, log.vkey);
    rmSync(join(folder.path, "tile/entries/001"));
    rmSync(join(folder.path, "tile/0/002"));
    assert.equal((await mirror(log, folder.path, log.vkey)).fetched, 0);
    assert.equal((await mirror(log, folder.path, log.vkey, { ...OPTIONS, whole: true })).fetched, 2);
    assert.deepEqual(await problemsOf(folder.path, log.vkey), []);
  });

  test("follows the key, over any number of hand-overs", async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(10);
    const { vkey } = log;
    await mirror(log, folder.path, vkey);
    log.rotate();
    log.grow(20);
    log.rotate();
    log.grow(300);
    await mirror(log, folder.path, vkey);
    assert.deepEqual(await problemsOf(folder.path, vkey), []);
    rmSync(join(folder.path, "handovers"));
    await assert.rejects(problemsOf(folder.path, vkey), failsWith(8, /no signature of a known key/));
  });
});

describe("a mirror keeps its checkpoint when the log", () => {
  const spoil: readonly (readonly [string, (log: GrowingLog) => unknown, RegExp])[] = [
    [
      "was rewritten",
      (log) => log.entries.splice(5, 1, Buffer.from("{}")),
      /does not begin with what the checkpoint of 300 entries was signed over/,
    ],
    ["was cut off", (log) => log.entries.splice(200), /200 entries, fewer than the checkpoint of 300/],
  ];
  for (const [name, change, message] of spoil) {
    test(name, async () => {
      using folder = temporaryFolder();
      const log = new GrowingLog(300);
      await mirror(log, folder.path, log.vkey);
      const before = readFileSync(join(folder.path, "checkpoint"), "utf8");
      log.grow(600);
      change(log);
      await assert.rejects(mirror(log, folder.path, log.vkey), failsWith(8, message));
      assert.equal(readFileSync(join(folder.path, "checkpoint"), "utf8"), before);
    });
  }

  test("serves an entry that is another one, which is never written", async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(600);
    const lying: LogPlace = {
      name: "the log",
      ahead: 4,
      checkpoint: () => log.checkpoint(),
      handovers: () => log.handovers(),
      read: async (address) => {
        const bytes = await log.read(address);
        if (address.level === "entries" && address.index === 1) {
          bytes?.fill(0x20, 10, 11);
        }
        return bytes;
      },
    };
    await assert.rejects(
      mirror(lying, folder.path, log.vkey),
      failsWith(8, /^the log does not verify: tile\/entries\/001: entry 256: the entry is not the one/),
    );
    assert.ok(!filesOf(folder.path).some((file) => file === "checkpoint" || file === "tile/entries/001"));
  });

  test("is another log, or signed by a stranger", async () => {
    using folder = temporaryFolder();
    const log = new GrowingLog(10);
    await mirror(log, folder.path, log.vkey);
    const stranger = new GrowingLog(20);
    await assert.rejects(mirror(stranger, folder.path, log.vkey), failsWith(8, /no signature of a known key/));
    writeFileSync(join(folder.path, "checkpoint"), "x");
    await assert.rejects(mirror(log, folder.path, log.vkey), failsWith(8, /checkpoint: the note is not/));
  });
});
