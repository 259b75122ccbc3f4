import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { ConfigError } from "../config/config-error.ts";
import { SealFailure } from "../seal/seal.ts";
import { StoreUnavailable } from "../store/store.ts";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import { readSlots } from "../vault/root.ts";
import {
  assertForgotten,
  assertOpen,
  assertRefused,
  emptyStore,
  hold,
  initialise,
  settle,
  storedRows,
  until,
} from "./test-first-start.ts";
import { Witness } from "./witness.ts";

/** What a seal does that never answers. */
function silent(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

test("a seal that is down at the first start is tried again after 1, 2, 4 … 60 seconds, and the vault made when it is back", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, reported, made } = empty;
  await keeper.start();
  const { initialised, state, kind, failing, cluster } = keeper.status();
  assert.deepEqual([initialised, state, kind, failing, cluster], [false, "waiting", "transit", ["transit"], ""]);
  assert.equal(keeper.notReady()?.code, "not_initialised");
  assert.match(keeper.notReady()?.message ?? "", /no vault yet.* waits for a seal to be reached: transit$/);
  assert.throws(() => keeper.open(), { code: "not_initialised" });
  assert.deepEqual(reported, [
    "transit a seal did not wrap the root key of the new vault",
    "transit waiting for seals that cannot be reached",
  ]);
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    const before = empty.tries;
    context.mock.timers.tick(1_000 * seconds - 1);
    await settle();
    assert.equal(empty.tries, before);
    context.mock.timers.tick(1);
    await until(() => reported.length === 2 * before + 2);
    assert.equal(empty.tries, before + 1, `after ${seconds} seconds`);
  }
  assert.equal(store.commits + (await storedRows(empty)), 0);
  assertForgotten(empty.rootKeys);
  // Each try has a root key of its own, which both seals wrap.
  assert.equal(new Set(empty.rootKeys).size, empty.tries);
  empty.beforeWrap = () => {};
  context.mock.timers.tick(60_000);
  await until(() => made.length === 1);
  await assertOpen(empty, made[0]?.token);
});

test("only a seal that cannot be reached is waited for; whatever else fails ends the start", async (context) => {
  for (const failure of [
    new SealFailure("no such key"),
    new ConfigError(["no such file"]),
    new StoreUnavailable("full"),
    new BunkmsError("internal"),
  ]) {
    const empty = emptyStore(context);
    empty.beforeWrap = () => {
      throw failure;
    };
    await assert.rejects(empty.keeper.start(), failure);
    assert.equal(empty.keeper.status().state, "uninitialised");
    context.mock.timers.tick(100_000);
    await settle();
    assert.equal(empty.tries, 1);
    assert.equal(await storedRows(empty), 0);
    context.mock.timers.reset();
  }
  const empty = emptyStore(context);
  await empty.store.commit([{ table: "audit", path: "0", value: Buffer.from("x"), expected: 0 }]);
  await assert.rejects(empty.keeper.start(), VaultRolledBack);
});

test("a seal that refuses for good while it is waited for ends the tries, and the log says so", async (context) => {
  const empty = emptyStore(context);
  const { keeper, reported } = empty;
  await keeper.start();
  empty.beforeWrap = () => {
    throw new SealFailure("no such key");
  };
  context.mock.timers.tick(1_000);
  await until(() => reported.at(-1) === "the vault was not opened, and is not tried again before another start");
  assert.equal(keeper.status().state, "uninitialised");
  const { code, message } = keeper.notReady() ?? assert.fail("there is no vault");
  assert.equal(code, "not_initialised");
  assert.match(message, /^there is no vault yet: the server makes the vault by itself/);
  context.mock.timers.tick(100_000);
  await settle();
  assert.equal(empty.tries, 2);
  // Nor is that a moment for a stranger; another start finds the store as empty as this one did.
  empty.beforeWrap = () => {};
  await assertRefused(empty);
  assert.equal(await storedRows(empty), 0);
});

test("a seal that does not answer within its time is waited for", async (context) => {
  const empty = emptyStore(context);
  empty.beforeWrap = silent;
  const start = empty.keeper.start();
  await until(() => empty.tries === 1);
  context.mock.timers.tick(30_000);
  await start;
  assert.equal(empty.keeper.status().state, "waiting");
  assert.equal(await storedRows(empty), 0);
  assertForgotten(empty.rootKeys);
});

test("whoever asks for the vault while the server waits for a seal is refused, whatever it is just at", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, made } = empty;
  await assertRefused(empty);
  await keeper.start();
  await assertRefused(empty);
  const { asked, answer } = hold(empty);
  context.mock.timers.tick(1_000);
  await asked;
  await assertRefused(empty);
  let isRecording = false;
  const { commit } = store;
  store.commit = async (writes) => {
    if (made.length === 0) {
      await assertRefused(empty);
      isRecording = true;
    }
    return commit(writes);
  };
  answer();
  await until(() => made.length === 1);
  assert.ok(isRecording);
  await assert.rejects(initialise(empty), { code: "already_initialised" });
  context.mock.timers.tick(100_000);
  await settle();
  assert.equal(made.length, 1);
  await assertOpen(empty, made[0]?.token);
});

test("with shares to hand out the server makes no vault by itself, and an operator does once its seals can be reached", async (context) => {
  const empty = emptyStore(context, ["env", "transit", "shamir"]);
  const { keeper, made } = empty;
  await keeper.start();
  context.mock.timers.tick(100_000);
  await settle();
  assert.deepEqual([keeper.status().state, empty.tries], ["uninitialised", 0]);
  assert.match(keeper.notReady()?.message ?? "", /bunkms operator init/);
  await assert.rejects(initialise(empty), { code: "seal_unavailable", message: /cannot be reached/ });
  empty.beforeWrap = silent;
  const init = assert.rejects(initialise(empty), { code: "seal_unavailable", message: /cannot be reached/ });
  await until(() => empty.tries === 2);
  await assert.rejects(initialise(empty), { code: "conflict" });
  context.mock.timers.tick(30_000);
  await init;
  assert.equal(await storedRows(empty), 0);
  assertForgotten(empty.rootKeys);
  empty.beforeWrap = () => {};
  await assertOpen(empty, await initialise(empty));
  assert.equal(made.length, 0);
});

test("no vault is made either where a witness file comes to light while seals, or who asks for shares, are waited for", async (context) => {
  for (const forNewVault of [
    ["env", "transit"],
    ["env", "transit", "shamir"],
  ] as const) {
    const folder = mkdtempSync(join(tmpdir(), "bunkms-making-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "witness");
    const empty = emptyStore(context, forNewVault, new Witness(path, undefined));
    await empty.keeper.start();
    writeFileSync(path, "of a disk that was mounted late");
    empty.beforeWrap = () => {};
    if (forNewVault.length === 3) {
      await assert.rejects(initialise(empty), /is there, but there is no vault/);
    } else {
      context.mock.timers.tick(1_000);
      await until(() => empty.reported.length === 3 || empty.made.length === 1);
      assert.match(empty.reported[2] ?? "", /^the vault was not opened, and is not tried again/);
    }
    assert.deepEqual([await storedRows(empty), empty.made.length], [0, 0]);
    assert.equal(readFileSync(path, "utf8"), "of a disk that was mounted late");
    context.mock.timers.reset();
  }
});

test("a store that fails when the seal is back does not end the tries", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, reported, made } = empty;
  await keeper.start();
  empty.beforeWrap = () => {};
  store.beforeCommit = () => {
    throw new StoreUnavailable("full");
  };
  context.mock.timers.tick(1_000);
  await until(() => reported.at(-1) === "the vault was not opened");
  assert.equal(keeper.status().state, "waiting");
  assert.equal(made.length, 0);
  assertForgotten(empty.rootKeys);
  store.beforeCommit = () => {};
  context.mock.timers.tick(2_000);
  await until(() => made.length === 1);
  await assertOpen(empty, made[0]?.token);
});

test("a vault that was stored though its commit seemed to fail is opened, not made anew", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, reported, made } = empty;
  await keeper.start();
  empty.beforeWrap = () => {};
  store.afterCommit = () => {
    throw new StoreUnavailable("no answer");
  };
  context.mock.timers.tick(1_000);
  await until(() => reported.at(-1) === "the vault was not opened");
  const slots = await readSlots(store);
  store.afterCommit = () => {};
  context.mock.timers.tick(2_000);
  await until(() => empty.opened === 1);
  assert.ok(reported.some((text) => /root token was not shown: `bunkms server new-root-token`/.test(text)));
  assert.equal(made.length, 0);
  assert.deepEqual(await readSlots(store), slots);
  assert.equal(keeper.status().initialised, true);
});

test("who closes while it waits ends the tries; a late answer makes no vault", async (context) => {
  const empty = emptyStore(context);
  const { keeper, made } = empty;
  await keeper.start();
  const { asked, answer } = hold(empty);
  context.mock.timers.tick(1_000);
  await asked;
  await keeper.close();
  answer();
  await settle();
  context.mock.timers.tick(100_000);
  await settle();
  assert.deepEqual([empty.tries, made.length, empty.opened, await storedRows(empty)], [2, 0, 0, 0]);
  assertForgotten(empty.rootKeys);
});

test("who closes while the vault is recorded waits until its root token was shown", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, made } = empty;
  await keeper.start();
  empty.beforeWrap = () => {};
  let closing: Promise<number> | undefined;
  const { commit } = store;
  store.commit = async (writes) => {
    closing ??= keeper.close().then(() => made.length);
    await settle();
    return commit(writes);
  };
  context.mock.timers.tick(1_000);
  await until(() => closing !== undefined);
  assert.equal(await closing, 1);
  await assertOpen(empty, made[0]?.token);
});
