import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ERRORS, type ErrorCode } from "@bunkms/contract";
import { SLOT_PREFIX, SLOT_TABLE } from "../../packages/server/src/vault/slot.ts";
import { startServer } from "../harness/server.ts";
import { startBreakableVault } from "./breakable-server.ts";
import { type Answer, bothTransports, closeAll } from "./operation-call.ts";
import { SealCalls } from "./shamir-vault.ts";

const RESEALED_MS = 30_000;

function assertRefused({ code, status, text }: Answer, wanted: ErrorCode): void {
  assert.deepEqual([code, status], [wanted, ERRORS[wanted].http], text);
  assert.equal(text, ERRORS[wanted].text);
}

test("REQ-27 the last slot cannot be removed, one that is not there neither, and a removed one opens nothing", async () => {
  await using server = await startBreakableVault();
  const { calls, vault } = server;
  const slots = async () => (await calls.asRoot("seals.list_slots")).value["slots"] as { id: string }[];
  const [first] = await slots();
  assertRefused(await calls.asRoot("seals.remove_slot", { id: first?.id as string }), "last_slot");
  assert.equal((await calls.asRoot("seals.remove_slot", { id: "0".repeat(32) })).code, "not_found");
  const request = { kind: "shamir", secret_shares: 2, secret_threshold: 2 };
  const added = (await calls.asRoot("seals.add_slot", request)).value["shares"] as string[];
  // Two at once, of two slots: one of them is the last.
  const removals = await Promise.all(
    (await slots()).map(({ id }, i) =>
      new SealCalls(server.transports[i % 2 === 0 ? 0 : 1], vault.rootToken).asRoot("seals.remove_slot", { id }),
    ),
  );
  assert.deepEqual(removals.map(({ code }) => code).toSorted(), ["last_slot", "ok"]);
  const [left] = await slots();
  const isFirst = left?.id === first?.id;
  await calls.seal();
  assert.equal((await calls.offer((isFirst ? added : vault.shares)[0] as string)).code, "invalid_share");
  await calls.unseal(isFirst ? vault.shares.slice(0, 3) : added);
});

test("REQ-27 the root key is not rotated while a slot is damaged or missing, and it is said", async () => {
  await using server = await startBreakableVault();
  const { calls, store } = server;
  await calls.asRoot("seals.add_slot", { kind: "shamir", secret_shares: 2, secret_threshold: 2 });
  const [slot] = await store.list(SLOT_TABLE, { prefix: SLOT_PREFIX, limit: 1 });
  assert.ok(slot !== undefined);
  await store.commit([{ table: SLOT_TABLE, path: slot.path, value: null, expected: slot.revision }]);
  assertRefused(await calls.asRoot("seals.rotate_root"), "slot_damaged");
  assert.equal((await calls.asRoot("secrets.put", { name: "a", value: "b" })).code, "ok");
});

test("records are sealed anew one rotation after the other, and a store that fails only delays that", async () => {
  await using server = await startBreakableVault();
  const { calls, store } = server;
  assert.equal((await calls.asRoot("secrets.put", { name: "kept", value: "value" })).code, "ok");
  // The rotation itself is written, and nothing after it.
  store.afterCommit = () => server.break();
  const rotated = await calls.asRoot("seals.rotate_barrier");
  assert.equal(rotated.code, "ok", rotated.text);
  await sleep(100);
  server.repair();
  assertRefused(await calls.asRoot("seals.rotate_barrier"), "rotation_in_progress");
  const deadline = performance.now() + RESEALED_MS;
  const inProgress = async () => (await calls.asRoot("seals.get_barrier_rotation")).value["in_progress"] as boolean;
  while ((await inProgress()) && performance.now() < deadline) {
    await sleep(200);
  }
  assert.equal(await inProgress(), false, "the records were not sealed anew");
  assert.equal((await calls.asRoot("seals.rotate_barrier")).code, "ok");
  assert.equal((await calls.asRoot("secrets.get", { name: "kept" })).value["value"], "value");
});

test("records are sealed anew to the end also when slots change meanwhile", async () => {
  await using server = await startBreakableVault();
  const { calls } = server;
  for (let version = 2; version < 8; version++) {
    assert.equal((await calls.asRoot("seals.rotate_barrier")).value["version"], version);
    const deadline = performance.now() + RESEALED_MS;
    for (;;) {
      const request = { kind: "shamir", secret_shares: 2, secret_threshold: 2 };
      const { slot } = (await calls.asRoot("seals.add_slot", request)).value as { slot: { id: string } };
      assert.equal((await calls.asRoot("seals.remove_slot", { id: slot.id })).code, "ok");
      if ((await calls.asRoot("seals.get_barrier_rotation")).value["in_progress"] === false) {
        break;
      }
      assert.ok(performance.now() < deadline, "the old barrier key was never dropped");
    }
  }
});

test("a seal that cannot be reached gets no slot, and the vault goes on", async () => {
  const server = await startServer({
    args: ["--store", "memory", "--log-level", "silent"],
    env: { BUNKMS_TRANSIT_ADDR: "http://127.0.0.1:1", BUNKMS_TRANSIT_TOKEN: "none", BUNKMS_SEALS: "env" },
  });
  const transports = bothTransports(server);
  try {
    const calls = new SealCalls(transports[0], server.rootToken);
    assertRefused(await calls.asRoot("seals.add_slot", { kind: "transit" }), "seal_unavailable");
    assert.equal(((await calls.asRoot("seals.list_slots")).value["slots"] as unknown[]).length, 1);
  } finally {
    closeAll(transports);
    await server.remove();
  }
});
