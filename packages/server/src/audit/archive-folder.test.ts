import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { decodeBundle } from "@bunkms/tlog";
import { watchSyncs } from "../../../../test/harness/watched-syncs.ts";
import { ArchiveFolder } from "./archive-folder.ts";

const ENTRIES = Array.from({ length: 256 }, (_, i) => Buffer.from(`entry ${i}`));

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-archive-folder-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What has this inode in a folder, by its name at the moment. */
function nameOf(folder: string, inode: number): string | undefined {
  const names = [".", ...(readdirSync(folder, { recursive: true }) as string[])];
  return names.find((name) => statSync(join(folder, name)).ino === inode);
}

test("a bundle is on disk before it has its name, and its name and each new folder's when it is said to be written", async (context) => {
  const folder = folderOf(context);
  const archive = new ArchiveFolder(folder);
  let durable: string[] = [];
  await watchSyncs(context, async (stats) => {
    const name = nameOf(folder, stats.ino);
    // So that nobody who does not wait for it goes unnoticed.
    await setTimeout(5);
    durable.push(stats.isFile() ? `${name} of ${stats.size} bytes` : `${name}`);
  });
  const bytes = ENTRIES.reduce((sum, { length }) => sum + 2 + length, 0);
  for (const [index, expected] of [
    [0, [`tile/entries/000.new of ${bytes} bytes`, "tile/entries", "tile", "."]],
    [1, [`tile/entries/001.new of ${bytes} bytes`, "tile/entries"]],
    [1000, [`tile/entries/x001/000.new of ${bytes} bytes`, "tile/entries/x001", "tile/entries"]],
  ] as const) {
    durable = [];
    await archive.writeBundle(index, ENTRIES);
    assert.deepEqual(durable, expected);
  }
});

test("a folder is made durable after the name of what was written into it", async (context) => {
  const folder = folderOf(context);
  const archive = new ArchiveFolder(folder);
  const seen: boolean[] = [];
  await watchSyncs(context, (stats) => {
    seen.push(existsSync(join(folder, "tile/entries/000")));
    assert.equal(stats.isFile(), seen.length === 1);
  });
  await archive.writeBundle(0, ENTRIES);
  assert.deepEqual(seen, [false, true, true, true]);
});

test("what is archived is its owner's alone, whatever the umask", async (context) => {
  const folder = folderOf(context);
  const umask = process.umask(0);
  context.after(() => process.umask(umask));
  await new ArchiveFolder(folder).writeBundle(0, ENTRIES);
  const modes = ["tile", "tile/entries", "tile/entries/000"].map((name) => statSync(join(folder, name)).mode & 0o777);
  assert.deepEqual(modes, [0o700, 0o700, 0o600]);
});

test("a draft that a crash left is written over, also a longer one", async (context) => {
  const folder = folderOf(context);
  const archive = new ArchiveFolder(folder);
  mkdirSync(join(folder, "tile/entries"), { recursive: true });
  writeFileSync(join(folder, "tile/entries/000.new"), Buffer.alloc(100_000, 1));
  const digest = await archive.writeBundle(0, ENTRIES);
  const written = readFileSync(join(folder, "tile/entries/000"));
  assert.deepEqual(decodeBundle(written, 256), ENTRIES);
  assert.deepEqual(digest, createHash("sha256").update(written).digest());
  assert.deepEqual(readdirSync(join(folder, "tile/entries")), ["000"]);
});

test("in the place of a draft a link is not followed, and a named pipe not waited for", {
  timeout: 10_000,
}, async (context) => {
  const folder = folderOf(context);
  const archive = new ArchiveFolder(folder);
  mkdirSync(join(folder, "tile/entries"), { recursive: true });
  const other = join(folder, "somebody else's");
  writeFileSync(other, "theirs");
  symlinkSync(other, join(folder, "tile/entries/000.new"));
  await assert.rejects(archive.writeBundle(0, ENTRIES), { code: "ELOOP" });
  assert.equal(readFileSync(other, "utf8"), "theirs");
  symlinkSync(join(folder, "nothing"), join(folder, "tile/entries/001.new"));
  await assert.rejects(archive.writeBundle(1, ENTRIES), { code: "ELOOP" });
  assert.equal(existsSync(join(folder, "nothing")), false);
  execFileSync("mkfifo", [join(folder, "tile/entries/002.new")]);
  await assert.rejects(archive.writeBundle(2, ENTRIES), { code: "ENXIO" });
});

test("what is no plain file, or larger than a bundle can be, is not read; what cannot be opened is not taken for missing", {
  timeout: 10_000,
}, async (context) => {
  const folder = folderOf(context);
  const archive = new ArchiveFolder(folder);
  await archive.writeBundle(0, ENTRIES);
  const path = (index: number): string => join(folder, `tile/entries/00${index}`);
  assert.deepEqual(await archive.readBundle(0), readFileSync(path(0)));
  assert.equal(await archive.readBundle(1), undefined);
  symlinkSync(path(0), path(2));
  await assert.rejects(archive.readBundle(2), { code: "ELOOP" });
  execFileSync("mkfifo", [path(3)]);
  assert.equal(await archive.readBundle(3), undefined);
  mkdirSync(path(4));
  assert.equal(await archive.readBundle(4), undefined);
  writeFileSync(path(5), "");
  truncateSync(path(5), 256 * (2 + 65_535));
  assert.equal((await archive.readBundle(5))?.length, 256 * 65_537);
  truncateSync(path(5), 256 * (2 + 65_535) + 1);
  assert.equal((await archive.readBundle(5))?.length, undefined);
});

test("a folder that can never be made is an error, and is not tried for ever", async () => {
  await assert.rejects(new ArchiveFolder("/proc/none/archive").writeBundle(0, ENTRIES), {
    code: "ENOENT",
    syscall: "mkdir",
  });
});
