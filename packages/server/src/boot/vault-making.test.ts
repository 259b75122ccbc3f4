import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { ConfigError } from "../config/config-error.ts";
import { SealFailure } from "../seal/seal.ts";
import { StoreUnavailable } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import { VaultRolledBack } from "../vault/records.ts";
import { readSlots } from "../vault/root.ts";
import {
  assertForgotten,
  assertOpen,
  down,
  emptyStore,
  hold,
  initialise,
  NO_SHARES_WANTED,
  settle,
  storedRows,
  until,
} from "./test-first-start.ts";

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
  assert.equal(store.commits, 1);
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
  await until(() => reported.at(-1) === "the vault was not opened");
  assert.equal(keeper.status().state, "uninitialised");
  assert.equal(keeper.notReady()?.code, "not_initialised");
  context.mock.timers.tick(100_000);
  await settle();
  assert.equal(empty.tries, 2);
  // Who has mended it can still make the vault without another start.
  empty.beforeWrap = () => {};
  await assertOpen(empty, await initialise(empty));
});

test("a seal that does not answer within its time is waited for, and a caller is told that it cannot be reached", async (context) => {
  const empty = emptyStore(context);
  const { keeper } = empty;
  empty.beforeWrap = (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const start = keeper.start();
  await until(() => empty.tries === 1);
  context.mock.timers.tick(30_000);
  await start;
  assert.equal(keeper.status().state, "waiting");
  const init = assert.rejects(initialise(empty), { code: "seal_unavailable" });
  await until(() => empty.tries === 2);
  context.mock.timers.tick(30_000);
  await init;
  assert.equal(await storedRows(empty), 0);
  assertForgotten(empty.rootKeys);
});

test("an operator who makes the vault while a seal is asked is the only one, and the late answer changes nothing", async (context) => {
  const empty = emptyStore(context);
  const { keeper, made, store } = empty;
  await keeper.start();
  const { asked, answer } = hold(empty);
  context.mock.timers.tick(1_000);
  await asked;
  const late = empty.rootKeys.slice();
  empty.beforeWrap = () => {};
  const token = await initialise(empty);
  answer();
  await settle();
  context.mock.timers.tick(100_000);
  await settle();
  assert.equal(made.length, 0);
  assert.equal(store.commits, 1);
  assertForgotten(late);
  await assertOpen(empty, token);
});

test("a vault that an operator made and sealed meanwhile stays sealed when a seal answers late, or fails late", async (context) => {
  const refuse = (): never => {
    throw new SealFailure("no such key");
  };
  for (const end of [() => {}, down, refuse]) {
    const empty = emptyStore(context);
    const { keeper, reported } = empty;
    await keeper.start();
    const before = reported.length;
    const { asked, answer } = hold(empty);
    const held = empty.beforeWrap;
    empty.beforeWrap = async (signal) => {
      await held(signal);
      end();
    };
    context.mock.timers.tick(1_000);
    await asked;
    empty.beforeWrap = () => {};
    await initialise(empty);
    const sealing = await keeper.seal();
    await keeper.current?.committer.submit(Buffer.from("seal"), sealing as Plan<unknown>);
    sealing.discard();
    answer();
    await settle();
    context.mock.timers.tick(100_000);
    await settle();
    assert.deepEqual([keeper.status().state, empty.opened, empty.made.length], ["sealed", 1, 0]);
    assert.deepEqual(reported.slice(before), []);
    context.mock.timers.reset();
  }
});

test("a try that comes while an operator makes the vault makes none, and goes on when that one fails", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, made } = empty;
  await keeper.start();
  const { asked, answer } = hold(empty);
  const init = assert.rejects(initialise(empty), StoreUnavailable);
  await asked;
  context.mock.timers.tick(1_000);
  await settle();
  assert.equal(empty.tries, 2);
  assert.equal(keeper.status().state, "waiting");
  await assert.rejects(keeper.initialise(NO_SHARES_WANTED), { code: "conflict" });
  store.beforeCommit = () => {
    throw new StoreUnavailable("full");
  };
  answer();
  await init;
  store.beforeCommit = () => {};
  context.mock.timers.tick(2_000);
  await until(() => made.length === 1);
  await assertOpen(empty, made[0]?.token);
});

test("a try that comes just when an operator's vault was stored has nothing to say", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, reported } = empty;
  await keeper.start();
  const before = reported.length;
  empty.beforeWrap = () => {};
  const { commit } = store;
  store.commit = async (writes) => {
    const revisions = await commit(writes);
    context.mock.timers.tick(1_000);
    await settle();
    return revisions;
  };
  const token = await initialise(empty);
  await settle();
  assert.deepEqual(reported.slice(before), []);
  await assertOpen(empty, token);
});

test("an operator who comes while the vault that was waited for is recorded makes no second one", async (context) => {
  const empty = emptyStore(context);
  const { keeper, store, made } = empty;
  await keeper.start();
  empty.beforeWrap = () => {};
  let init: Promise<unknown> | undefined;
  store.beforeCommit = () => {
    init ??= assert.rejects(keeper.initialise(NO_SHARES_WANTED), { code: "conflict" });
  };
  context.mock.timers.tick(1_000);
  await until(() => made.length === 1);
  await init;
  await assert.rejects(keeper.initialise(NO_SHARES_WANTED), { code: "already_initialised" });
  await assertOpen(empty, made[0]?.token);
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
