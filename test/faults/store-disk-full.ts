/**
 * Fills the disk under a store and makes room again. Its argument is an empty folder on a file system of a few
 * megabytes that nobody else uses; it ends with an error if the store does not hold its promises.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { type Store, StoreUnavailable } from "../../packages/server/src/store/store.ts";
import { applyCommit, assertHolds, headOf } from "./store-workload.ts";

const disk = process.argv[2] ?? "";
const folder = join(disk, "data");
const ballast = join(disk, "ballast");

function fillDisk(): void {
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(ballast, Buffer.alloc(bavail * bsize, 1));
}

function isDiskFull(error: unknown): boolean {
  assert.ok(error instanceof StoreUnavailable, `${error}`);
  assert.equal(error.message, "the disk is full");
  assert.ok(error.cause instanceof Error);
  return true;
}

/** Applies commits until one fails. @returns The last that succeeded. */
async function commitUntilFull(store: Store): Promise<number> {
  for (let n = (await headOf(store)) + 1; ; n++) {
    try {
      await applyCommit(store, n);
    } catch (error) {
      isDiskFull(error);
      return n - 1;
    }
  }
}

async function fullWhileRunning(store: Store, context: string): Promise<void> {
  const acknowledged = await commitUntilFull(store);
  assert.equal(await headOf(store), acknowledged);
  await assertHolds(store, acknowledged, `${context}, full`);
  for (let i = 0; i < 20; i++) {
    await assert.rejects(applyCommit(store, acknowledged + 1), isDiskFull);
  }
  await assertHolds(store, acknowledged, `${context}, full and tried again`);
  rmSync(ballast);
  for (let n = acknowledged + 1; n <= acknowledged + 20; n++) {
    await applyCommit(store, n);
  }
  await assertHolds(store, acknowledged + 20, `${context}, with room again`);
}

let store = await openSqliteStore(folder);
for (let n = 1; n <= 10; n++) {
  await applyCommit(store, n);
}
for (let round = 0; round < 5; round++) {
  fillDisk();
  await fullWhileRunning(store, `round ${round}`);
}
let head = await headOf(store);

// Full when it closes and when it opens: it opens, reads, and writes as soon as there is room.
fillDisk();
head = await commitUntilFull(store);
await store.close();
store = await openSqliteStore(folder);
await assertHolds(store, head, "opened on a full disk");
rmSync(ballast);
await applyCommit(store, ++head);
await store.close();

// A file system that is read-only does not open, says so, and is opened when it can be written again.
const remount = (mode: string) => execFileSync("mount", ["-o", `remount,bind,${mode}`, disk]);
remount("ro");
await assert.rejects(openSqliteStore(folder), (error) => {
  assert.ok(error instanceof StoreUnavailable, `${error}`);
  assert.match(error.message, /read-only/);
  return true;
});
remount("rw");
store = await openSqliteStore(folder);
await assertHolds(store, head, "after the file system was read-only");
await store.close();

// No room to make one at all: nothing is left behind that a later start would trip over.
rmSync(folder, { recursive: true });
fillDisk();
await assert.rejects(openSqliteStore(folder), isDiskFull);
rmSync(ballast);
store = await openSqliteStore(folder);
await applyCommit(store, 1);
await store.close();
console.log("held");
