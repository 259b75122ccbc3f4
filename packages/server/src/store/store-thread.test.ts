import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { storeConformance } from "./conformance.ts";
import { openSqliteStore } from "./sqlite.ts";
import { StoreUnavailable } from "./store.ts";
import { StoreRefused } from "./store-refused.ts";
import { inOwnMemory, openStoreThread } from "./store-thread.ts";

const seed = Number(process.env["BUNKMS_TEST_SEED"] ?? Date.now() % 2 ** 31);

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), "bunkms-store-thread-"));
});
after(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const newFolder = () => join(root, `${++folders}`);
const write = (path: string, value: Uint8Array | null, expected = 0) => ({
  table: "key" as const,
  path,
  value,
  expected,
});

storeConformance("SQLite in a thread", () => openStoreThread(newFolder()), { sequences: 20, seed });

test("a folder that is refused is refused with the same reason, and the thread ends", async () => {
  const folder = newFolder();
  mkdirSync(folder, { mode: 0o755 });
  chmodSync(folder, 0o755);
  await assert.rejects(
    openStoreThread(folder),
    (error) => error instanceof StoreRefused && error.reason === "not-private" && error.message.includes(folder),
  );
});

test("a folder is for one store at a time, in a thread or not", async () => {
  const folder = newFolder();
  const store = await openStoreThread(folder);
  const isInUse = (error: unknown) => error instanceof StoreRefused && error.reason === "in-use";
  await assert.rejects(openStoreThread(folder), isInUse);
  await assert.rejects(openSqliteStore(folder), isInUse);
  await store.close();
  await (await openSqliteStore(folder)).close();
});

test("what was committed in a thread is there for the next store", async () => {
  const folder = newFolder();
  const store = await openStoreThread(folder);
  const values = [new Uint8Array(0), new Uint8Array(300).fill(7), new Uint8Array(700_000).fill(9)];
  await store.commit(values.map((value, i) => write(`v/${i}`, value)));
  await store.close();
  await store.close();
  const again = await openSqliteStore(folder);
  for (const [i, value] of values.entries()) {
    assert.deepEqual(Buffer.from((await again.get("key", `v/${i}`))?.value ?? [1]), Buffer.from(value));
  }
  await again.close();
});

test("a value's memory goes over by itself, and stays the caller's", async () => {
  const store = await openStoreThread(newFolder());
  // Both lie in the pool that Node cuts small buffers from.
  const [value, neighbour] = [Buffer.from("the value"), Buffer.from("a neighbour")];
  assert.equal(value.buffer, neighbour.buffer);
  await store.commit([write("pooled", value)]);
  assert.deepEqual([value.toString(), neighbour.toString()], ["the value", "a neighbour"]);
  const read = (await store.get("key", "pooled"))?.value as Uint8Array;
  assert.equal(Buffer.from(read).toString(), "the value");
  assert.equal(read.buffer.byteLength, value.length);
  await store.close();
});

test("of a value nothing goes over that lies beside it: one in larger memory is copied, one in its own is not", () => {
  const pool = Buffer.from("a secret, the value, a secret");
  for (const value of [pool.subarray(10, 19), Buffer.from("pooled"), new Uint8Array(pool).subarray(1)]) {
    const { value: sent } = inOwnMemory(write("k", value));
    assert.equal(sent?.buffer.byteLength, value.length);
    assert.deepEqual(Buffer.from(sent as Uint8Array), Buffer.from(value));
  }
  const own = write("k", new Uint8Array(100));
  assert.equal(inOwnMemory(own), own);
  const gone = { ...own, value: null };
  assert.equal(inOwnMemory(gone), gone);
});

test("a listing's values go over in one piece, each as it was", async () => {
  const store = await openStoreThread(newFolder());
  const values = [
    new Uint8Array(0),
    Uint8Array.of(1),
    new Uint8Array(70_000).fill(2),
    new Uint8Array(0),
    Uint8Array.of(3, 4),
  ];
  const revisions = await store.commit(values.map((value, i) => write(`v/${i}`, value)));
  const listed = await store.list("key", { limit: 10 });
  assert.deepEqual(
    listed.map((record) => ({ ...record, value: Buffer.from(record.value) })),
    values.map((value, i) => ({ path: `v/${i}`, value: Buffer.from(value), revision: revisions[i] })),
  );
  assert.equal(new Set(listed.map(({ value }) => value.buffer)).size, 1);
  // One that is written again from there takes nothing of its neighbours along.
  await store.commit([write("again", listed[4]?.value as Uint8Array)]);
  assert.deepEqual(Buffer.from((await store.get("key", "again"))?.value ?? []), Buffer.of(3, 4));
  assert.deepEqual([...(listed[2]?.value.subarray(0, 2) ?? [])], [2, 2]);
  await store.close();
});

test("questions that wait when the store is closed are answered, those after it are refused", async () => {
  const store = await openStoreThread(newFolder());
  const [revisions, record, , late] = await Promise.allSettled([
    store.commit([write("a", Buffer.from("a"))]),
    store.get("key", "a"),
    store.close(),
    store.get("key", "a"),
  ]);
  assert.equal(revisions.status, "fulfilled");
  assert.equal(record.status === "fulfilled" && Buffer.from(record.value?.value ?? []).toString(), "a");
  assert.ok(late.status === "rejected" && late.reason instanceof StoreUnavailable);
});
