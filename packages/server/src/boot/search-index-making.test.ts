import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { removePruned } from "../pipeline/audit-batches.ts";
import { type StoredRecord, StoreUnavailable } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import { ResealTask } from "./reseal-task.ts";
import { entryOf, grow, indexed, indexes, LOT, readersOf, shardsOf, spoil } from "./test-search.ts";
import { testVault } from "./test-vault.ts";
import { openOrCreate } from "./unseal.ts";

test("after a start the newest lot is read back, and lots without records get theirs, the newest first", async (context) => {
  const first = await testVault();
  // Nobody made any records: as of a vault from before there was an index.
  await grow(first, 3 * LOT + 10);
  assert.deepEqual(await shardsOf(first), []);
  const made: string[] = [];
  first.store.beforeCommit = () => void made.push("");
  const vault = { ...(await openOrCreate(first.store, first.seal())), store: first.store };
  assert.equal(vault.index.lag, vault.log.frontier.size);
  const { search, scan, read } = readersOf(vault);
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), await indexes(scan, { resource: "key/rare" }));
  await indexed(context, vault);
  assert.equal(vault.index.lag, 0);
  const revisions = new Map((await shardsOf(first)).map(({ path, revision }) => [path, revision]));
  assert.equal(revisions.size, 3 * 16);
  const of = (lot: number) => revisions.get(`main/${lot.toString(16).padStart(16, "0")}/0`) as number;
  assert.ok(of(2) < of(1) && of(1) < of(0));
  read.count = 0;
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), await indexes(scan, { resource: "key/rare" }));
  assert.equal(read.count, 13);
});

test("records that are lost, damaged, or put back from another log hide nothing, and are made again", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, 2 * LOT);
  await vault.index.idle();
  const { search, scan, read } = readersOf(vault);
  const filter = { resource: "key/rare" };
  const wanted = await indexes(scan, filter);
  const before = await shardsOf(vault);
  const spoilt = (how: (value: Uint8Array, i: number) => Uint8Array | null) =>
    before.map(({ value }, i) => how(value, i));
  for (const values of [
    spoilt(() => null),
    spoilt((value) => Buffer.from(value).fill(1, 30, 31)),
    spoilt((value) => value.subarray(0, 20)),
    // Records of one lot in the place of the other's, and of one term's in the place of another's.
    spoilt((_, i) => before[(i + 16) % 32]?.value ?? null),
    spoilt((_, i) => before[i ^ 1]?.value ?? null),
  ]) {
    const now = await shardsOf(vault);
    await vault.store.commit(
      now.map(({ path, revision }, i) => ({
        table: "audit-index",
        path,
        value: values[i] ?? null,
        expected: revision,
      })),
    );
    assert.deepEqual(await indexes(search, filter), wanted);
    await vault.index.idle();
    read.count = 0;
    assert.deepEqual(await indexes(search, filter), wanted);
    assert.equal(read.count, wanted.length);
    assert.equal((await shardsOf(vault)).length, 32);
  }
});

test("while records cannot be written, searches go on from memory, and it is said once", async (context) => {
  const vault = await testVault();
  const failures: unknown[] = [];
  context.after(() => vault.index.stop());
  vault.index.start((error) => failures.push(error));
  await grow(vault, LOT - 1);
  await vault.index.idle();
  vault.store.beforeListRevisions = (table) => {
    if (table === "audit-index") {
      throw new StoreUnavailable("the disk is full");
    }
  };
  await grow(vault, 2 * LOT + 5);
  await vault.index.idle();
  assert.equal(failures.length, 1);
  assert.equal(vault.index.lag, 0);
  assert.deepEqual(await shardsOf(vault), []);
  const { search, scan } = readersOf(vault);
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), await indexes(scan, { resource: "key/rare" }));
});

test("the records of pruned entries are removed, and those of a lot that is pruned in part serve its rest", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, 2 * LOT + 300);
  await vault.index.idle();
  const current = { ...vault.vault.retention.current, pruned: LOT + 512 };
  Object.defineProperty(vault.vault.retention, "current", { value: current });
  const { records } = vault.vault;
  const { search, read } = readersOf(vault);
  while (await removePruned(records, LOT + 512)) {
    // Until none is left.
  }
  assert.deepEqual(
    [...new Set((await shardsOf(vault)).map(({ path }) => path.slice(0, -2)))],
    [`main/${"0".repeat(15)}1`],
  );
  const wanted = [8001, 7001, 6001, 5001];
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), wanted);
  assert.equal(read.count, wanted.length);
  // It is made again from what is left.
  const [one] = await shardsOf(vault);
  await vault.store.commit([
    { table: "audit-index", path: one?.path ?? "", value: null, expected: one?.revision ?? 0 },
  ]);
  const again = await openOrCreate(vault.store, vault.seal());
  Object.defineProperty(again.vault.retention, "current", { value: current });
  await indexed(context, again);
  assert.equal((await shardsOf(vault)).length, 16);
  const readers = readersOf(again);
  assert.deepEqual(await indexes(readers.search, { resource: "key/rare" }), wanted);
  assert.equal(readers.read.count, wanted.length);
});

test("a stop ends what is read of a lot, and nothing is written after it", async () => {
  const vault = await testVault();
  await grow(vault, 2 * LOT);
  const again = await openOrCreate(vault.store, vault.seal());
  const { entries } = again.tree;
  let reads = 0;
  let stopped: Promise<void> | undefined;
  again.tree.entries = (first, end) => {
    reads += 1;
    stopped ??= again.index.stop();
    return entries.call(again.tree, first, end);
  };
  again.index.start((error) => assert.fail(String(error)));
  await again.index.idle();
  await stopped;
  assert.equal(reads, 1);
  assert.deepEqual(await shardsOf(vault), []);
});

test("a lot that cannot be made is left alone for a minute, whoever searches, and does not keep the others waiting", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const first = await testVault();
  await grow(first, 3 * LOT);
  const [batch] = await first.store.list("audit", { prefix: "main/", after: "main/0000000000001800", limit: 1 });
  const lost = batch as StoredRecord;
  await first.store.commit([{ table: "audit", path: lost.path, value: null, expected: lost.revision }]);
  const vault = await openOrCreate(first.store, first.seal());
  const failures: unknown[] = [];
  const { entries } = vault.tree;
  let reads = 0;
  vault.tree.entries = (from, end) => {
    reads += 1;
    return entries.call(vault.tree, from, end);
  };
  context.after(() => vault.index.stop());
  vault.index.start((error) => failures.push(error));
  await vault.index.idle();
  assert.equal(failures.length, 1);
  assert.equal(vault.index.lag, LOT);
  assert.equal((await shardsOf(first)).length, 32);
  const { search } = readersOf(vault);
  const before = reads;
  for (let i = 0; i < 3; i++) {
    await assert.rejects(indexes(search, { resource: "key/rare" }), RangeError);
    await vault.index.idle();
  }
  assert.equal(reads, before);
  await first.store.commit([{ table: "audit", path: lost.path, value: lost.value, expected: 0 }]);
  context.mock.timers.tick(60_000);
  await vault.index.idle();
  assert.equal(vault.index.lag, 0);
  assert.equal(failures.length, 1);
  // That it was mended is over with what fails next.
  const full = new StoreUnavailable("the disk is full");
  first.store.beforeListRevisions = (table) => {
    if (table === "audit-index") {
      throw full;
    }
  };
  await grow(vault, 4 * LOT);
  await vault.index.idle();
  assert.deepEqual(failures.slice(1), [full]);
});

test("a record that does not open leaves with the old barrier key, and is made again", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, LOT + 300);
  await vault.index.idle();
  await spoil(vault, "audit-index", "main/0000000000000000/3");
  await spoil(vault, "audit-tile", "main/00/0000000000000002");
  const { records, slots } = vault.vault;
  await vault.committer.submit(entryOf(3), (await slots.rotateBarrier()) as Plan<unknown>);
  const task = new ResealTask(vault, Date.now, (error) => assert.fail(String(error)));
  task.start();
  while (records.hasOldBarrier) {
    await setImmediate();
  }
  await task.stop();
  assert.equal(records.damage.records, 2);
  assert.equal((await shardsOf(vault)).length, 15);
  const { search, scan } = readersOf(vault);
  for (const value of [
    "key/rare",
    "key/common",
    "key/a",
    "key/b",
    "key/c",
    "key/d",
    "key/e",
    "key/f",
    "key/g",
    "key/h",
  ]) {
    assert.deepEqual(await indexes(search, { resource: value }), await indexes(scan, { resource: value }));
  }
});

test("of a record that is damaged and made again it is told once", async () => {
  const vault = await testVault();
  await grow(vault, 800);
  const { damage } = vault.vault.records;
  const told: string[] = [];
  damage.onFound(({ message }) => void told.push(message));
  const tile = await vault.tree.tile(0, 1, 256);
  for (const _ of [1, 2]) {
    await spoil(vault, "audit-tile", "main/00/0000000000000000");
    assert.deepEqual(await vault.tree.tile(0, 1, 256), tile);
    assert.deepEqual(await vault.tree.tile(0, 1, 256), tile);
    assert.equal(damage.records, 1);
  }
  assert.equal(told.length, 1);
  assert.match(told[0] as string, /audit-tile\/main\/00\/0000000000000001$/);
});

test("of a record that was damaged already when the vault was opened it is told as well, once", async () => {
  const first = await testVault();
  await grow(first, 800);
  await spoil(first, "audit-tile", "main/00/ffffffffffffffff");
  const { damage } = (await openOrCreate(first.store, first.seal())).vault.records;
  assert.equal(damage.records, 1);
  const told: string[] = [];
  damage.onFound(({ message }) => void told.push(message));
  damage.onFound(({ message }) => void told.push(message));
  assert.equal(told.length, 1);
  assert.match(told[0] as string, /audit-tile\/main\/01\/0000000000000000$/);
});
