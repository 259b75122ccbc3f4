import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { randomBytes } from "../crypto/random.ts";
import { fileSeal } from "../seal/env.ts";
import { RevisionConflict, StoreUnavailable } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import { barrierKeyVersion } from "../vault/record.ts";
import { plainSeal } from "../vault/root.ts";
import { ResealTask } from "./reseal-task.ts";
import { ANY_KEY, type FaultyStore, planKey, testVault } from "./test-vault.ts";
import { openOrCreate, type Unsealed } from "./unseal.ts";

const NOW = Date.now();
/** More than a page of each table. */
const KEYS = 150;
const TABLES = [
  "meta",
  "key",
  "key-version",
  "key-material",
  "key-usage",
  "secret",
  "secret-value",
  "token",
  "audit",
] as const;

/** Commits, and plans anew as the pipeline does when a record was written meanwhile. */
async function commit<T>({ committer }: Unsealed, plan: () => Promise<Plan<T>>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const planned = await plan();
    try {
      await committer.submit(Buffer.from("a change"), planned as Plan<unknown>);
      return;
    } catch (error) {
      if (!(error instanceof RevisionConflict) || attempt === 3) throw error;
    } finally {
      planned.discard();
    }
  }
}

const addKey = (server: Unsealed, name: string) => commit(server, () => planKey(server.vault, name, {}, NOW));
const rotate = (server: Unsealed, name: string) => commit(server, () => server.vault.keys.rotate(name, NOW));
const putSecret = (server: Unsealed, name: string, value: string) =>
  commit(server, () => server.vault.secrets.put(name, Buffer.from(value), NOW));
const rotateBarrier = (server: Unsealed) => commit(server, () => server.vault.slots.rotateBarrier());

/** A vault with keys and a secret, whose barrier key was just rotated. */
async function rotated() {
  const server = await testVault();
  await Promise.all(Array.from({ length: KEYS }, (_, i) => addKey(server, `k${i}`)));
  await putSecret(server, "s", "value");
  await rotateBarrier(server);
  return server;
}

function taskOf(unsealed: Unsealed) {
  const failures: unknown[] = [];
  return {
    task: new ResealTask(
      unsealed,
      () => NOW,
      (error) => failures.push(error),
    ),
    failures,
  };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns++) {
    assert.ok(turns < 100_000, "it never comes");
    await setImmediate();
  }
}

/** By which barrier keys the records lie in the store, read without the vault. Slots and the keyring are under none. */
async function keysInUse(store: FaultyStore): Promise<readonly number[]> {
  const versions = new Set<number>();
  for (const table of TABLES) {
    for (const { value } of await store.list(table, { limit: 10_000 })) versions.add(barrierKeyVersion(value) ?? 0);
  }
  versions.delete(0);
  return [...versions].toSorted((a, b) => a - b);
}

test("after a rotation all records come under the new barrier key, and the old one is dropped", async () => {
  const server = await rotated();
  const { task, failures } = taskOf(server);
  assert.deepEqual(await keysInUse(server.store), [1]);
  assert.deepEqual(task.progress, { inProgress: true, resealed: 0, percent: 0 });
  task.start();
  await until(() => !task.progress.inProgress);
  assert.deepEqual(failures, []);
  assert.deepEqual(await keysInUse(server.store), [2]);
  assert.equal(task.progress.percent, 100);
  assert.ok(task.progress.resealed >= 3 * KEYS);
  const again = await openOrCreate(server.store, server.seal());
  assert.deepEqual([again.vault.records.barrierVersion, again.vault.records.hasOldBarrier], [2, false]);
  assert.equal((await again.vault.keys.list(ANY_KEY, "", 1000)).length, KEYS);
  assert.equal((await again.tokens.authenticate(server.rootToken ?? "", NOW)).role, "root");
  await rotateBarrier(again);
  assert.equal(again.vault.records.barrierVersion, 3);
});

test("a seal slot that changes just when the old key is dropped does not keep it", async () => {
  const server = await rotated();
  const { task, failures } = taskOf(server);
  const retire = server.vault.slots.retireBarrier.bind(server.vault.slots);
  let planned = 0;
  server.vault.slots.retireBarrier = async () => {
    const plan = await retire();
    planned += 1;
    if (planned === 1) {
      const seal = plainSeal(fileSeal(randomBytes(32)));
      await commit(server, () => server.vault.slots.add(seal, NOW, new AbortController().signal));
    }
    return plan;
  };
  task.start();
  await until(() => !task.progress.inProgress);
  assert.deepEqual([planned, failures], [2, []]);
  assert.equal((await openOrCreate(server.store, server.seal())).vault.records.hasOldBarrier, false);
});

test("without an old barrier key there is nothing to do", async () => {
  const server = await testVault();
  const { task } = taskOf(server);
  const commits = server.store.commits;
  task.start();
  await task.stop();
  assert.deepEqual(task.progress, { inProgress: false, resealed: 0, percent: 100 });
  assert.equal(server.store.commits, commits);
});

test("writes while records are resealed succeed, and what they wrote stays", async () => {
  const server = await rotated();
  const { task, failures } = taskOf(server);
  let writes = 0;
  task.start();
  while (task.progress.inProgress) {
    await Promise.all([
      addKey(server, `new${writes}`),
      rotate(server, `k${writes % KEYS}`),
      rotate(server, `k${KEYS - 1 - (writes % KEYS)}`),
      putSecret(server, "s", `value ${writes}`),
    ]);
    writes += 1;
  }
  assert.deepEqual(failures, []);
  assert.ok(writes > 1, `${writes}`);
  // What was read before the resealing is changed after it.
  await rotate(server, "k75");
  await putSecret(server, "s", "last");
  assert.deepEqual(await keysInUse(server.store), [2]);
  const again = await openOrCreate(server.store, server.seal());
  assert.equal((await again.vault.keys.list(ANY_KEY, "", 1000)).length, KEYS + writes);
  for (const name of ["k0", "k75", `k${KEYS - 1}`]) {
    assert.equal((await again.vault.keys.get(name)).latestVersion, (await server.vault.keys.get(name)).latestVersion);
  }
});

test("a restart in the middle goes on with what is left", async () => {
  const server = await rotated();
  const first = taskOf(server);
  first.task.start();
  await until(() => first.task.progress.resealed > 0);
  await first.task.stop();
  assert.equal(first.task.progress.inProgress, true);
  assert.deepEqual(await keysInUse(server.store), [1, 2]);
  const again = await openOrCreate(server.store, server.seal());
  const second = taskOf(again);
  assert.equal(second.task.progress.inProgress, true);
  second.task.start();
  await until(() => !second.task.progress.inProgress);
  assert.deepEqual([...first.failures, ...second.failures], []);
  assert.deepEqual(await keysInUse(server.store), [2]);
  const whole = taskOf(await rotated());
  whole.task.start();
  await until(() => !whole.task.progress.inProgress);
  assert.ok(first.task.progress.resealed + second.task.progress.resealed <= whole.task.progress.resealed + 1);
  await openOrCreate(server.store, server.seal());
});

test("a store that fails is told of, keeps the old barrier key, and resealing is begun again", async () => {
  const server = await rotated();
  const { task, failures } = taskOf(server);
  let left = 2;
  server.store.beforeCommit = () => {
    left -= 1;
    if (left < 0) throw new StoreUnavailable("disk full");
  };
  task.start();
  await until(() => failures.length > 0);
  assert.ok(failures[0] instanceof StoreUnavailable);
  assert.equal(task.progress.inProgress, true);
  server.store.beforeCommit = () => {};
  await setImmediate();
  task.start();
  await until(() => !task.progress.inProgress);
  assert.deepEqual(await keysInUse(server.store), [2]);
  await openOrCreate(server.store, server.seal());
});
