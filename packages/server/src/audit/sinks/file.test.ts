import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { mountTmpfs } from "../../../../../test/faults/small-disk.ts";
import { auditEntries } from "../../../../../test/harness/audit-entries.ts";
import { watchSyncs } from "../../../../../test/harness/watched-syncs.ts";
import { FileSink } from "./file.ts";
import { checkPlace, PlaceRefused, unfitness } from "./file-place.ts";
import { checkTail } from "./file-tail.ts";
import { DeliveryFailed, type SinkEntry } from "./sink.ts";

const folder = mkdtempSync(join(tmpdir(), "bunkms-audit-file-"));
after(() => rmSync(folder, { recursive: true }));
const never = new AbortController().signal;
let made = 0;

/** A path of its own. */
function fresh(): string {
  made += 1;
  const place = join(folder, `f${made}`);
  mkdirSync(place, { mode: 0o700 });
  return join(place, "audit.jsonl");
}

function sinkAt(path: string, options: { readonly maxBytes?: number; readonly keep?: number } = {}): FileSink {
  return new FileSink({ path, maxBytes: 0, keep: 3, ...options });
}

/** The entries of a file: index, and the bytes between the object's ends. */
function read(path: string): readonly SinkEntry[] {
  const lines = readFileSync(path, "utf8").split("\n");
  assert.equal(lines.pop(), "", "the last line is whole");
  return lines.map((line) => {
    const { index, entry } = JSON.parse(line);
    const bytes = Buffer.from(line.slice(`{"index":${index},"entry":`.length, -1));
    assert.deepEqual(JSON.parse(bytes.toString()), entry);
    return { index, bytes };
  });
}

async function refused(work: Promise<void>, text: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof DeliveryFailed, String(error));
    assert.match(error.message, text);
    return true;
  });
}

test("entries are lines of a private file, from which their bytes are taken as they are", async () => {
  const path = fresh();
  const sink = sinkAt(path);
  const entries = auditEntries(0, 20);
  await sink.deliver(entries.slice(0, 15), never);
  await sink.deliver(entries.slice(15), never);
  assert.deepEqual(read(path), entries);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await sink.close();
});

test("a new file's name is on disk before entries are in it, and what is said to be delivered as well", async (context) => {
  const path = fresh();
  const durable: string[] = [];
  await watchSyncs(context, async (stats) => {
    // So that nobody who does not wait for it goes unnoticed.
    await setTimeout(5);
    durable.push(stats.isDirectory() ? "folder" : `${stats.size} bytes`);
  });
  const sink = sinkAt(path);
  await sink.deliver(auditEntries(0, 2), never);
  const { size } = statSync(path);
  assert.deepEqual(durable, ["folder", `${size} bytes`]);
  await sink.deliver(auditEntries(2, 1), never);
  assert.deepEqual(durable, ["folder", `${size} bytes`, `${statSync(path).size} bytes`]);
  await sink.close();
});

test("the mode is 0600 whatever the umask", async () => {
  const before = process.umask(0);
  try {
    const path = fresh();
    const sink = sinkAt(path);
    await sink.deliver(auditEntries(0, 1), never);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await sink.close();
  } finally {
    process.umask(before);
  }
});

test("after a crash at any byte of a batch, the same batch makes the file whole, with nothing twice", async () => {
  const entries = auditEntries(0, 6);
  const whole = fresh();
  const first = sinkAt(whole);
  await first.deliver(entries, never);
  await first.close();
  const content = readFileSync(whole);
  const kept = content.indexOf("\n", content.indexOf("\n") + 1) + 1;
  for (let length = 0; length <= content.length; length += length < 40 || length > content.length - 40 ? 1 : 13) {
    const path = fresh();
    writeFileSync(path, content.subarray(0, length), { mode: 0o600 });
    await checkTail(path);
    assert.equal(statSync(path).size, length, "a start changes nothing");
    const sink = sinkAt(path);
    // The cursor stood before the third entry, if the first two were there.
    await sink.deliver(length >= kept ? entries.slice(2) : entries, never);
    await sink.close();
    assert.deepEqual(readFileSync(path), content, `cut at ${length}`);
  }
});

test("entries of another history are not taken for those that are there", async () => {
  const path = fresh();
  const sink = sinkAt(path);
  await sink.deliver(auditEntries(0, 3), never);
  await sink.close();
  const [other] = auditEntries(7, 1) as [SinkEntry];
  const again = sinkAt(path);
  await again.deliver([{ index: 2, bytes: other.bytes }], never);
  await again.close();
  assert.deepEqual(
    read(path).map(({ index }) => index),
    [0, 1, 2, 2],
  );
});

test("a file that grows too large is moved, so many are kept, and none has a batch in parts", async () => {
  const path = fresh();
  const entries = auditEntries(0, 40);
  const sink = sinkAt(path, { maxBytes: 3000, keep: 3 });
  for (let at = 0; at < 40; at += 4) {
    await sink.deliver(entries.slice(at, at + 4), never);
    assert.ok(statSync(path).size <= 3000);
  }
  await sink.close();
  const files = [`${path}.3`, `${path}.2`, `${path}.1`, path];
  const left = files.flatMap(read);
  assert.deepEqual(left, entries.slice(-left.length));
  assert.ok(files.every((file) => read(file).length % 4 === 0 && (statSync(file).mode & 0o777) === 0o600));
  assert.ok(!existsSync(`${path}.4`));
});

test("a single batch that is larger than a file may be has a file of its own", async () => {
  const path = fresh();
  const sink = sinkAt(path, { maxBytes: 100 });
  await sink.deliver(auditEntries(0, 2), never);
  await sink.deliver(auditEntries(2, 2), never);
  await sink.close();
  assert.deepEqual([read(`${path}.1`), read(path)], [auditEntries(0, 2), auditEntries(2, 2)]);
  assert.equal(existsSync(`${path}.2`), false, "no file is moved that has nothing in it");
});

test("a restart does not move the file between what is there of a batch and the rest", async () => {
  const path = fresh();
  const first = sinkAt(path);
  await first.deliver(auditEntries(0, 8), never);
  await first.close();
  truncateSync(path, statSync(path).size - 10);
  const sink = sinkAt(path, { maxBytes: 3000 });
  await sink.deliver(auditEntries(6, 4), never);
  await sink.close();
  assert.deepEqual(read(path), auditEntries(0, 10));
});

test("reopening makes a new file in the place of one that was moved; without it that is noticed at the next batch", async () => {
  const path = fresh();
  const sink = sinkAt(path);
  await sink.deliver(auditEntries(0, 2), never);
  renameSync(path, `${path}-1`);
  sink.reopen();
  await sink.deliver(auditEntries(2, 2), never);
  renameSync(path, `${path}-2`);
  await sink.deliver(auditEntries(4, 2), never);
  rmSync(path);
  await sink.deliver(auditEntries(6, 2), never);
  await sink.close();
  assert.deepEqual(
    [`${path}-1`, `${path}-2`, path].map((file) => read(file)),
    [auditEntries(0, 2), auditEntries(2, 2), auditEntries(6, 2)],
  );
});

test("a link, another kind of file, one of others or one that is not private is refused, at the start and later", async () => {
  const target = join(folder, "target");
  writeFileSync(target, "", { mode: 0o600 });
  const cases: readonly (readonly [what: string, make: (path: string) => void, text: RegExp])[] = [
    ["a symbolic link", (path) => symlinkSync(target, path), /it is a link/],
    ["a symbolic link to nothing", (path) => symlinkSync(join(folder, "nothing"), path), /it is a link/],
    ["a hard link", (path) => linkSync(target, path), /plain file under one name/],
    ["a folder", (path) => mkdirSync(path), /cannot be written/],
    ["a named pipe", (path) => assert.equal(spawnSync("mkfifo", ["-m", "600", path]).status, 0), /plain file/],
    ["a file that others read", (path) => writeFileSync(path, "", { mode: 0o644 }), /mode 644/],
    ["a file that others write", (path) => writeOpen(path, 0o622), /mode 622/],
    ["a program", (path) => writeOpen(path, 0o700), /mode 700/],
  ];
  for (const [what, make, text] of cases) {
    const path = fresh();
    make(path);
    assert.throws(() => checkPlace(path, []), PlaceRefused, what);
    const sink = sinkAt(path);
    await refused(sink.deliver(auditEntries(0, 1), never), text);
    await sink.close();
  }
  assert.equal(readFileSync(target, "utf8"), "");
  assert.ok(!existsSync(join(folder, "nothing")));
});

function writeOpen(path: string, mode: number): void {
  writeFileSync(path, "");
  chmodSync(path, mode);
}

test("a file of another user is refused, whatever its mode", () => {
  const stats = { isFile: () => true, nlink: 1, mode: 0o100600, uid: process.geteuid?.() ?? 0 };
  assert.equal(unfitness(stats), undefined);
  assert.equal(unfitness({ ...stats, uid: stats.uid + 1 }), "belongs to another user");
});

test("nothing is written after the end, not even a new file", async () => {
  const path = fresh();
  const sink = sinkAt(path);
  const end = new Error("stopped");
  await assert.rejects(sink.deliver(auditEntries(0, 1), AbortSignal.abort(end)), end);
  assert.equal(existsSync(path), false);
});

test("a file that is somebody else's is refused at the start and later, and left as it is", async () => {
  const long = "x".repeat(3 * 1024 * 1024);
  await checkTail(fresh());
  for (const content of [
    "root:x:0:0::/root:/bin/sh\n",
    "half a line",
    "{}\n",
    '{"index":0}\n{"index":1,',
    "\n",
    long,
  ]) {
    const path = fresh();
    writeFileSync(path, content, { mode: 0o600 });
    const refusal = `${path} does not end with audit entries: it is somebody else's, and is left alone`;
    await assert.rejects(checkTail(path), { name: "PlaceRefused", message: refusal });
    const sink = sinkAt(path);
    await refused(sink.deliver(auditEntries(0, 1), never), /somebody else's/);
    await sink.close();
    assert.equal(readFileSync(path, "utf8"), content);
  }
});

test("a file whose end cannot be read is refused at the start, with the reason", async () => {
  const path = fresh();
  symlinkSync(path, `${path}.link`);
  await assert.rejects(checkTail(`${path}.link`), { name: "PlaceRefused", message: /cannot be read \(ELOOP\)/ });
});

test("a place among the server's own files is refused, by whatever name", () => {
  const place = join(folder, "places");
  const data = join(place, "data");
  mkdirSync(join(data, "inner"), { recursive: true, mode: 0o700 });
  symlinkSync(data, join(place, "other"));
  const witness = join(place, "witness.1");
  const taken = [data, witness];
  for (const path of ["data/audit", "data/inner/audit", "other/audit", "data", "witness.1", "witness"]) {
    assert.throws(() => checkPlace(join(place, path), taken), /server's own files/, path);
  }
  checkPlace(join(place, "audit.jsonl"), taken);
  checkPlace(join(place, "database"), taken);
  for (const path of ["data/audit", "other/audit"]) {
    assert.throws(
      () => checkPlace(join(place, path), [join(place, "other")]),
      /server's own files/,
      `${path} by a link`,
    );
  }
});

test("a folder that is missing, or that everybody may write to, is refused at the start", () => {
  assert.throws(() => checkPlace(join(folder, "missing", "audit"), []), /make the audit file's folder first/);
  writeFileSync(join(folder, "file"), "", { mode: 0o600 });
  assert.throws(() => checkPlace(join(folder, "file", "audit"), []), /is no folder/);
  const open = join(folder, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  assert.throws(() => checkPlace(join(open, "audit"), []), /everybody/);
});

test("a full disk is a failure; with room again the file is whole", async () => {
  const disk = mountTmpfs(256 * 1024);
  try {
    const path = join(disk.path, "audit.jsonl");
    const sink = sinkAt(path);
    await sink.deliver(auditEntries(0, 10), never);
    disk.fill(4096);
    const entries = auditEntries(10, 100);
    await refused(sink.deliver(entries, never), /the disk is full/);
    await refused(sink.deliver(entries, never), /the disk is full/);
    disk.free();
    await sink.deliver(entries, never);
    assert.deepEqual(read(path), auditEntries(0, 110));
    await sink.close();
  } finally {
    disk.remove();
  }
});

test("what others append in between is kept", async () => {
  const path = fresh();
  const sink = sinkAt(path);
  await sink.deliver(auditEntries(0, 1), never);
  appendFileSync(path, "a line of somebody else\n");
  await sink.deliver(auditEntries(1, 1), never);
  await sink.close();
  assert.equal(readFileSync(path, "utf8").split("\n").length, 4);
});
