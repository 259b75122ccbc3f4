import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { type FaultyStore, testVault } from "../boot/test-vault.ts";
import { openOrCreate, openVault, type Unsealed } from "../boot/unseal.ts";
import { hpkeSeal, recipientFrom } from "../crypto/hpke.ts";
import { secretKey } from "../crypto/keys.ts";
import { randomBytes } from "../crypto/random.ts";
import { combineShares } from "../crypto/shamir.ts";
import { SealFailure } from "../seal/seal.ts";
import { createShamirSet, readShamirParameters, shamirOpener, shamirSeal } from "../seal/shamir.ts";
import type { Plan } from "./plan.ts";
import { openRoot, readSlots, type SlotSeal, type WrappingSeal } from "./root.ts";
import type { SlotInfo } from "./seal-slots.ts";
import { decodeSlot, encodeSlot, type Slot, slotContext, slotPath } from "./slot.ts";

const NOW = Date.now();
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

/** A set, and what its holders open the store's vault by. */
function newSet(cluster: Buffer, store: FaultyStore) {
  const { parameters, psk, shares } = createShamirSet(cluster, 3, 2);
  const seed = secretKey(combineShares(shares.slice(0, 2)));
  const slot: SlotSeal = { seal: shamirSeal(parameters, psk), parameters, psk };
  const open = async (from = store) =>
    openVault(from, await openRoot(await readSlots(from), shamirOpener(parameters, seed), signal));
  return { slot, parameters, psk: Buffer.from(psk), open };
}

/** A vault with a slot of its own seal and a Shamir slot, opened by its own seal: nobody with a share is there. */
async function withShares() {
  const made = await testVault();
  const set = newSet(made.vault.root.cluster, made.store);
  const { id } = await commit(made, made.vault.slots.add(set.slot, NOW + 1, signal));
  const server = { ...made, ...(await openOrCreate(made.store, made.seal())) };
  const lent: Uint8Array[] = [];
  const sealOf = async ({ kind, parameters }: SlotInfo, psk: Uint8Array): Promise<WrappingSeal> => {
    lent.push(psk);
    return kind === "shamir" ? shamirSeal(parameters, psk) : made.seal();
  };
  return { server, store: made.store, set, id, sealOf, lent };
}

async function slotOf(store: FaultyStore, id: string): Promise<Slot> {
  const record = await store.get("meta", `slot/${id}`);
  return (record && decodeSlot(record.value)) ?? assert.fail("there is no such slot");
}

/** Writes a slot as somebody with the disk could. */
async function overwrite(store: FaultyStore, slot: Slot): Promise<void> {
  const path = slotPath(slot);
  const now = await store.get("meta", path);
  await store.commit([{ table: "meta", path, value: encodeSlot(slot), expected: now?.revision ?? 0 }]);
}

test("REQ-26: the root key is rotated with no holder there, again and again, and the shares open the vault", async () => {
  const { server, set, sealOf } = await withShares();
  for (let round = 0; round < 3; round++) {
    const before = Buffer.from(server.vault.root.key);
    await commit(server, server.vault.slots.rotateRoot(sealOf, signal));
    assert.notDeepEqual(server.vault.root.key, before);
    assert.deepEqual((await set.open()).vault.root.key, server.vault.root.key);
  }
});

test("REQ-26: a slot rewrapped for new shares opens by them alone, and goes on being rotated without people", async () => {
  const { server, store, set, id, sealOf } = await withShares();
  const next = newSet(server.vault.root.cluster, store);
  await commit(server, server.vault.slots.rewrap(id, next.slot, signal));
  await assert.rejects(set.open(), SealFailure);
  assert.deepEqual((await next.open()).vault.root.key, server.vault.root.key);
  await commit(server, server.vault.slots.rotateRoot(sealOf, signal));
  await assert.rejects(set.open(), SealFailure);
  assert.deepEqual((await next.open()).vault.root.key, server.vault.root.key);
});

test("the keyring keeps the pre-shared key for the seal, zeroes what it lent, and tells nobody else", async () => {
  const { server, set, id } = await withShares();
  assert.deepEqual(set.slot.psk, Buffer.alloc(32));
  const lent: Uint8Array[] = [];
  const plan = await server.vault.slots.rotateRoot(async ({ kind, parameters }, psk) => {
    assert.deepEqual(Buffer.from(psk), kind === "shamir" ? set.psk : Buffer.alloc(0));
    lent.push(psk);
    return kind === "shamir" ? shamirSeal(parameters, psk) : server.seal();
  }, signal);
  plan.discard();
  assert.equal(lent.length, 2);
  for (const psk of lent) assert.ok(psk.every((byte) => byte === 0));
  const info = await server.vault.slots.find(id);
  assert.deepEqual(Object.keys(info).toSorted(), ["createdAt", "id", "keyName", "kind", "parameters"]);
});

/** What somebody without the set's pre-shared key makes: HPKE to its public key in base mode, or with a key of their own. */
function forgedWrap(parameters: Buffer, key?: Buffer): WrappingSeal["wrap"] {
  const { publicKey, set } = readShamirParameters(parameters);
  const info = Buffer.from("bunkms shamir seal v1");
  return async (rootKey, context) =>
    hpkeSeal(recipientFrom(publicKey), info, context, rootKey, key && { key, id: set });
}

test("REQ-26: a root key that the store's writer wraps into the slot does not open by the shares", async () => {
  const { store, set, id } = await withShares();
  const slot = await slotOf(store, id);
  for (const key of [undefined, randomBytes(32)]) {
    const wrapped = await forgedWrap(set.parameters, key)(randomBytes(32), slotContext(slot), signal);
    await overwrite(store, { ...slot, wrapped });
    await assert.rejects(set.open(), SealFailure);
  }
  await overwrite(store, slot);
  await set.open();
});

test("REQ-26: a whole vault of the writer's own behind the holders' parameters does not open by their shares", async () => {
  const { set } = await withShares();
  const own = await testVault();
  const { parameters, psk } = set;
  const add = (wrap: WrappingSeal["wrap"]) => {
    const seal = { ...shamirSeal(parameters, psk), wrap };
    return commit(own, own.vault.slots.add({ seal, parameters, psk: Buffer.alloc(0) }, NOW, signal));
  };
  await add(forgedWrap(parameters));
  await add(forgedWrap(parameters, randomBytes(32)));
  await assert.rejects(set.open(own.store), SealFailure);
  // It is the pre-shared key that the writer lacks, and nothing else.
  await add(forgedWrap(parameters, psk));
  assert.deepEqual((await set.open(own.store)).vault.root.key, own.vault.root.key);
});

test("REQ-26: a public key that was exchanged in a slot gets no root key wrapped to it", async () => {
  const { server, store, set, id, sealOf, lent } = await withShares();
  const slot = await slotOf(store, id);
  const other = createShamirSet(slot.cluster, 3, 2).parameters;
  const parameters = Buffer.concat([set.parameters.subarray(0, -1240), other.subarray(-1240)]);
  await overwrite(store, { ...slot, parameters });
  await assert.rejects(
    server.vault.slots.rotateRoot(sealOf, signal),
    (error) => error instanceof BunkmsError && error.code === "slot_damaged",
  );
  assert.equal(lent.length, 0);
  await assert.rejects(
    server.vault.slots.find(id),
    (error) => error instanceof BunkmsError && error.code === "not_found",
  );
});
