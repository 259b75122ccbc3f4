import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError, type ErrorCode } from "@bunkms/contract";
import { type FaultyStore, testVault } from "../boot/test-vault.ts";
import { openOrCreate, type Unsealed } from "../boot/unseal.ts";
import { randomBytes } from "../crypto/random.ts";
import { fileSeal } from "../seal/env.ts";
import { SealFailure, SealUnavailable } from "../seal/seal.ts";
import { createShamirSet, shamirSeal } from "../seal/shamir.ts";
import { RevisionConflict } from "../store/store.ts";
import type { Plan } from "./plan.ts";
import { RecordDamaged } from "./record.ts";
import { VaultRolledBack } from "./rolled-back.ts";
import { openRoot, plainSeal, readSlots, type SlotSeal } from "./root.ts";

/** After the making of each test's vault. */
const NOW = Date.now() + 60_000;
const { signal } = new AbortController();

async function commit<T>({ committer }: Unsealed, planned: Promise<Plan<T>>): Promise<T> {
  const plan = await planned;
  try {
    await committer.submit(Buffer.from("a change"), plan as Plan<unknown>);
    return plan.result;
  } finally {
    plan.discard();
  }
}

/** A vault with a slot of its own seal and one of a key file. */
async function twoSlots() {
  const server = await testVault();
  const key = randomBytes(32);
  const file = () => fileSeal(Buffer.from(key));
  const { id } = await commit(server, server.vault.slots.add(plainSeal(file()), NOW, signal));
  const wrapping = async ({ kind }: { readonly kind: string }) => (kind === "file" ? file() : server.seal());
  return { ...server, file, id, wrapping };
}

function shamirSlot(cluster: Buffer): SlotSeal {
  const { parameters, psk } = createShamirSet(cluster, 2, 2);
  return { seal: shamirSeal(parameters, psk), parameters, psk };
}

const idsOf = async ({ vault }: Unsealed) => (await vault.slots.list()).map(({ id }) => id);

const refusedAs = (code: ErrorCode) => (error: unknown) => error instanceof BunkmsError && error.code === code;

async function stored(store: FaultyStore, path: string): Promise<Uint8Array> {
  return (await store.get("meta", path))?.value ?? assert.fail(`${path} is not there`);
}

/** Writes a record as somebody with the disk could. */
async function overwrite(store: FaultyStore, path: string, value: Uint8Array | null): Promise<void> {
  const now = await store.get("meta", path);
  await store.commit([{ table: "meta", path, value, expected: now?.revision ?? 0 }]);
}

test("a slot that was added opens the same vault, and the slots are listed in the order in which they were made", async () => {
  const server = await twoSlots();
  const slots = await server.vault.slots.list();
  assert.deepEqual(
    slots.map(({ kind, keyName }) => [kind, keyName]),
    [
      ["env", "the master key"],
      ["file", "the seal's key file"],
    ],
  );
  assert.equal(slots[1]?.id, server.id);
  assert.deepEqual(await server.vault.slots.find(server.id), slots[1]);
  const again = await openOrCreate(server.store, server.file());
  assert.deepEqual(again.vault.root.key, server.vault.root.key);
  assert.deepEqual(await idsOf(again), await idsOf(server));
});

test("a seal that has a slot gets no second one", async () => {
  const server = await twoSlots();
  const added = server.vault.slots.add(plainSeal(server.file()), NOW, signal);
  await assert.rejects(added, refusedAs("already_exists"));
  assert.equal((await idsOf(server)).length, 2);
});

test("a slot whose seal cannot be reached is not added, and its secret is zeroed", async () => {
  const server = await testVault();
  const slot = shamirSlot(server.vault.root.cluster);
  const wrap = async () => Promise.reject(new SealUnavailable("down"));
  const added = server.vault.slots.add({ ...slot, seal: { ...slot.seal, wrap } }, NOW, signal);
  await assert.rejects(added, SealUnavailable);
  assert.deepEqual(slot.psk, Buffer.alloc(32));
  assert.equal((await idsOf(server)).length, 1);
});

test("a vault has at most 32 slots", async () => {
  const server = await testVault();
  const add = () => commit(server, server.vault.slots.add(shamirSlot(server.vault.root.cluster), NOW, signal));
  for (let count = 1; count < 32; count++) await add();
  await assert.rejects(add(), refusedAs("invalid_request"));
  assert.equal((await idsOf(server)).length, 32);
  await openOrCreate(server.store, server.seal());
});

test("a slot that was removed opens nothing, and brought back neither", async () => {
  const server = await twoSlots();
  const path = `slot/${server.id}`;
  const before = await stored(server.store, path);
  await commit(server, server.vault.slots.remove(server.id));
  assert.equal(await server.store.get("meta", path), undefined);
  assert.equal((await idsOf(server)).includes(server.id), false);
  await assert.rejects(openOrCreate(server.store, server.file()), SealFailure);
  await overwrite(server.store, path, before);
  await assert.rejects(
    openOrCreate(server.store, server.file()),
    (error) => error instanceof SealFailure && /was removed/.test(error.message),
  );
  assert.equal((await idsOf(server)).includes(server.id), false);
  await openOrCreate(server.store, server.seal());
});

test("the last slot is not removed, nor one that is not there", async () => {
  const server = await twoSlots();
  for (const id of ["", "00", "0".repeat(32), `${server.id}00`]) {
    await assert.rejects(server.vault.slots.remove(id), refusedAs("not_found"));
    await assert.rejects(server.vault.slots.find(id), refusedAs("not_found"));
    await assert.rejects(server.vault.slots.rewrap(id, plainSeal(server.file()), signal), refusedAs("not_found"));
  }
  await commit(server, server.vault.slots.remove(server.id));
  const [last = ""] = await idsOf(server);
  await assert.rejects(server.vault.slots.remove(last), refusedAs("last_slot"));
  await openOrCreate(server.store, server.seal());
});

test("of two removals at once, of either slot, one wins and the other finds the last slot", async () => {
  const server = await twoSlots();
  const ids = await idsOf(server);
  const plans = await Promise.all(ids.map((id) => server.vault.slots.remove(id)));
  const results = await Promise.allSettled(
    plans.map((plan) => server.committer.submit(Buffer.from("remove"), plan as Plan<unknown>)),
  );
  const lost = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  assert.equal(lost.length, 1);
  assert.ok(lost[0] instanceof RevisionConflict);
  const left = await idsOf(server);
  assert.equal(left.length, 1);
  await assert.rejects(server.vault.slots.remove(left[0] ?? ""), refusedAs("last_slot"));
  const survivor = left[0] === server.id ? server.file() : server.seal();
  await openOrCreate(server.store, survivor);
});

test("a slot that was rewrapped opens with the new key alone, and as it was before it is refused", async () => {
  const server = await twoSlots();
  const key = randomBytes(32);
  const path = `slot/${server.id}`;
  const before = await stored(server.store, path);
  const rewrapped = await commit(
    server,
    server.vault.slots.rewrap(server.id, plainSeal(fileSeal(Buffer.from(key))), signal),
  );
  assert.equal(rewrapped.id, server.id);
  await assert.rejects(openOrCreate(server.store, server.file()), SealFailure);
  const again = await openOrCreate(server.store, fileSeal(Buffer.from(key)));
  assert.deepEqual(again.vault.root.key, server.vault.root.key);
  await overwrite(server.store, path, before);
  await assert.rejects(openOrCreate(server.store, server.file()), /was removed from the vault, or changed/);
});

test("a new root key is in all slots, and a slot as it was before opens nothing", async () => {
  const server = await twoSlots();
  const path = `slot/${server.id}`;
  const before = await stored(server.store, path);
  const key = Buffer.from(server.vault.root.key);
  const slots = await commit(server, server.vault.slots.rotateRoot(server.wrapping, signal));
  assert.deepEqual(slots.map(({ id }) => id).toSorted(), (await idsOf(server)).toSorted());
  assert.notDeepEqual(server.vault.root.key, key);
  for (const seal of [server.seal(), server.file()]) {
    const again = await openOrCreate(server.store, seal);
    assert.deepEqual(again.vault.root.key, server.vault.root.key);
  }
  await overwrite(server.store, path, before);
  await assert.rejects(openOrCreate(server.store, server.file()), RecordDamaged);
  await openOrCreate(server.store, server.seal());
});

test("a rotation whose seal fails, or that is not committed, changes nothing", async () => {
  const server = await twoSlots();
  const key = Buffer.from(server.vault.root.key);
  const unreachable = async () => Promise.reject(new SealUnavailable("down"));
  await assert.rejects(server.vault.slots.rotateRoot(unreachable, signal), SealUnavailable);
  const plan = await server.vault.slots.rotateRoot(server.wrapping, signal);
  plan.discard();
  assert.deepEqual(server.vault.root.key, key);
  await commit(server, server.vault.slots.rotateRoot(server.wrapping, signal));
  await openOrCreate(server.store, server.file());
});

test("of two rotations at once the second is outdated, and the vault opens with the first's root key", async () => {
  const server = await twoSlots();
  const plans = [
    await server.vault.slots.rotateRoot(server.wrapping, signal),
    await server.vault.slots.rotateRoot(server.wrapping, signal),
  ];
  const results = await Promise.allSettled(
    plans.map((plan) => server.committer.submit(Buffer.from("rotate"), plan as Plan<unknown>)),
  );
  for (const plan of plans) plan.discard();
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  const again = await openOrCreate(server.store, server.file());
  assert.deepEqual(again.vault.root.key, server.vault.root.key);
});

test("a damaged slot hinders the rotation of the root key until it is removed, and never the other slots", async () => {
  for (const damage of [
    (value: Uint8Array) => value.subarray(0, 20),
    (value: Uint8Array) => Buffer.concat([value, Buffer.alloc(1)]),
    () => Buffer.alloc(0),
    () => null,
  ]) {
    const server = await twoSlots();
    const path = `slot/${server.id}`;
    await overwrite(server.store, path, damage(await stored(server.store, path)));
    assert.equal((await idsOf(server)).includes(server.id), false);
    await openRoot(await readSlots(server.store), server.seal(), signal);
    await assert.rejects(server.vault.slots.rotateRoot(server.wrapping, signal), refusedAs("slot_damaged"));
    const [sound = ""] = await idsOf(server);
    await assert.rejects(server.vault.slots.remove(sound), refusedAs("last_slot"));
    await commit(server, server.vault.slots.remove(server.id));
    assert.equal(await server.store.get("meta", path), undefined);
    await commit(server, server.vault.slots.rotateRoot(server.wrapping, signal));
    await openOrCreate(server.store, server.seal());
  }
});

test("REQ-15: an old keyring brought back is noticed, with the slot that it lists", async () => {
  const server = await twoSlots();
  const keyring = await stored(server.store, "keyring");
  const slot = await stored(server.store, `slot/${server.id}`);
  await commit(server, server.vault.slots.remove(server.id));
  await overwrite(server.store, "keyring", keyring);
  await overwrite(server.store, `slot/${server.id}`, slot);
  for (const seal of [server.seal(), server.file()]) {
    await assert.rejects(openOrCreate(server.store, seal), VaultRolledBack);
  }
});

test("a barrier key is added once until the one before is retired, and both survive a restart", async () => {
  const server = await testVault();
  assert.equal(await commit(server, server.vault.slots.rotateBarrier()), 2);
  assert.deepEqual([server.vault.slots.barrierVersion, server.vault.records.hasOldBarrier], [2, true]);
  await assert.rejects(server.vault.slots.rotateBarrier(), refusedAs("rotation_in_progress"));
  const again = await openOrCreate(server.store, server.seal());
  assert.deepEqual([again.vault.slots.barrierVersion, again.vault.records.hasOldBarrier], [2, true]);
});

test("a keyring without the old barrier key no longer opens what it sealed", async () => {
  const server = await testVault();
  const [token] = await server.store.list("token", { limit: 1 });
  await commit(server, server.vault.slots.rotateBarrier());
  await server.vault.records.read("token", token?.path ?? "");
  assert.equal(await commit(server, server.vault.slots.retireBarrier()), 2);
  assert.equal(server.vault.records.hasOldBarrier, false);
  await assert.rejects(server.vault.records.read("token", token?.path ?? ""), RecordDamaged);
});
