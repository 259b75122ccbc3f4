import assert from "node:assert/strict";
import { test } from "node:test";
import { ownEntry } from "../audit/entry.ts";
import { batchPath } from "../audit/log.ts";
import { type AuditFilter, AuditReader, type IndexedRecord } from "../audit/reader.ts";
import { planKey, testVault } from "../boot/test-vault.ts";
import { openOrCreate, type Unsealed } from "../boot/unseal.ts";
import { StoreUnavailable } from "../store/store.ts";
import { PART_LENGTH } from "../vault/attachments.ts";
import type { Plan } from "../vault/plan.ts";
import type { Vault } from "../vault/vault.ts";
import { auditBatches } from "./audit-batches.ts";
import { Periodic } from "./periodic.ts";

const START = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BLOCK = 2 ** 16;

async function commit<T>({ committer }: Unsealed, plan: Promise<Plan<T>>): Promise<T> {
  const made = await plan;
  await committer.submit(ownEntry("test", "", START), made);
  made.discard();
  return made.result;
}

/** The periodic work of a vault whose time the test sets. */
function periodicOf({ vault, tokens, committer }: Pick<Unsealed, "vault" | "tokens" | "committer">) {
  const failures: unknown[] = [];
  const time = { now: START };
  const periodic = new Periodic({
    vault,
    tokens,
    committer,
    clock: () => time.now,
    onFailure: (error) => failures.push(error),
  });
  const roundAt = async (now: number): Promise<void> => {
    time.now = now;
    await periodic.round();
  };
  return { periodic, roundAt, failures, time };
}

/** A vault with one key that rotates every hour. */
async function rotating() {
  const vault = await testVault();
  await commit(vault, planKey(vault.vault, "k", {}, START));
  await commit(vault, vault.vault.keys.update("k", { rotationPeriodSeconds: 3600 }));
  return vault;
}

async function versionOf({ vault }: Unsealed): Promise<number> {
  return (await vault.keys.get("k")).latestVersion;
}

async function entriesOf({ vault, log }: Unsealed, filter: AuditFilter): Promise<readonly IndexedRecord[]> {
  const reader = new AuditReader({ batches: auditBatches(vault.records), log, pruned: () => 0 });
  return (await reader.list(filter, undefined, 1000)).entries;
}

test("a key rotates by itself when its period is over, not a millisecond before, and then a period later", async () => {
  const vault = await rotating();
  const { roundAt, failures } = periodicOf(vault);
  for (const [now, version] of [
    [START + HOUR - 1, 1],
    [START + HOUR, 2],
    [START + HOUR, 2],
    [START + 2 * HOUR - 1, 2],
    [START + 2 * HOUR, 3],
  ] as const) {
    await roundAt(now);
    assert.equal(await versionOf(vault), version, new Date(now).toISOString());
  }
  assert.deepEqual(failures, []);
  const entries = await entriesOf(vault, { operation: "keys.rotate" });
  assert.deepEqual(
    entries.map(({ resource, transport, outcome, time }) => [resource, transport, outcome, time]),
    [
      ["key/k", "local", "ok", START + 2 * HOUR],
      ["key/k", "local", "ok", START + HOUR],
    ],
  );
});

test("a rotation happens once, over a restart, after many missed periods, and when two do the work at once", async () => {
  const vault = await rotating();
  const late = START + 100 * HOUR;
  const twice = [periodicOf(vault), periodicOf(vault)];
  await Promise.all(twice.map(({ roundAt }) => roundAt(late)));
  assert.equal(await versionOf(vault), 2);
  const again = await openOrCreate(vault.store, vault.seal());
  const { roundAt, failures } = periodicOf(again);
  await roundAt(late);
  assert.equal(await versionOf(again), 2);
  await roundAt(late + HOUR - 1);
  assert.equal(await versionOf(again), 2);
  assert.deepEqual([...failures, ...twice.flatMap((each) => each.failures)], []);
});

test("a key that somebody rotates just when it is due does not rotate again", async () => {
  const vault = await rotating();
  const { keys } = vault.vault;
  // Somebody is faster, between the moment when the round sees that the key is due and the moment when it rotates it.
  const faster = new Proxy(keys, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown;
      if (name === "rotate" || name === "rotateDue") {
        return async (...given: never[]) => {
          await commit(vault, keys.rotate("k", START + HOUR));
          return (member as (...args: never[]) => unknown).apply(target, given);
        };
      }
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const { roundAt } = periodicOf({ ...vault, vault: { ...vault.vault, keys: faster } });
  await roundAt(START + HOUR);
  assert.equal(await versionOf(vault), 2);
});

test("a key that is not enabled does not rotate by itself, nor one that no longer has a period", async () => {
  const vault = await rotating();
  const { roundAt, failures } = periodicOf(vault);
  await commit(vault, vault.vault.keys.step("k", "disable", START));
  await roundAt(START + 5 * HOUR);
  assert.equal(await versionOf(vault), 1);
  await commit(vault, vault.vault.keys.step("k", "enable", START));
  await commit(vault, vault.vault.keys.update("k", { rotationPeriodSeconds: 0 }));
  await roundAt(START + 5 * HOUR);
  assert.equal(await versionOf(vault), 1);
  assert.deepEqual(failures, []);
});

test("REQ-12 a key is destroyed when its window is over, not a millisecond before, once, and the log says so", async () => {
  const vault = await testVault();
  await commit(vault, planKey(vault.vault, "k"));
  await commit(vault, vault.vault.keys.step("k", "schedule_deletion", START, 7));
  const { roundAt, failures } = periodicOf(vault);
  const state = async () => (await vault.vault.keys.get("k")).state;
  await roundAt(START + 7 * DAY - 1);
  assert.equal(await state(), "pending_deletion");
  assert.equal((await vault.store.list("key-material", { limit: 10 })).length, 1);
  await roundAt(START + 7 * DAY);
  assert.equal(await state(), "destroyed");
  assert.deepEqual(await vault.store.list("key-material", { limit: 10 }), []);
  await roundAt(START + 7 * DAY);
  const again = await openOrCreate(vault.store, vault.seal());
  await periodicOf(again).roundAt(START + 8 * DAY);
  assert.deepEqual(failures, []);
  assert.deepEqual(
    (await entriesOf(again, { operation: "keys.destroy" })).map(({ resource }) => resource),
    ["key/k"],
  );
});

test("REQ-12 a deletion that is cancelled in time, or at the last moment, destroys nothing, or everything", async () => {
  for (const order of ["before", "together", "round first"] as const) {
    const vault = await testVault();
    const { keys } = vault.vault;
    await commit(vault, planKey(vault.vault, "k"));
    await commit(vault, keys.step("k", "schedule_deletion", START, 7));
    const { roundAt, failures } = periodicOf(vault);
    const cancel = () =>
      commit(vault, keys.step("k", "cancel_deletion", START)).then(
        () => true,
        () => false,
      );
    const round = () => roundAt(START + 7 * DAY);
    let cancelled: boolean;
    if (order === "before") {
      cancelled = await cancel();
      await round();
      assert.ok(cancelled);
    } else {
      const [first, second] = order === "together" ? [cancel(), round()] : [round(), cancel()];
      await Promise.all([first, second]);
      cancelled = (await (order === "together" ? first : second)) as boolean;
    }
    const { state } = await keys.get("k");
    assert.equal(state, cancelled ? "disabled" : "destroyed", order);
    const material = await vault.store.list("key-material", { limit: 10 });
    assert.equal(material.length, cancelled ? 1 : 0, order);
    assert.deepEqual(failures, [], order);
    await openOrCreate(vault.store, vault.seal());
  }
});

test("REQ-12 a version is destroyed when its own window is over, and the key goes on", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  await commit(vault, planKey(vault.vault, "k"));
  await commit(vault, keys.rotate("k", START));
  await commit(vault, keys.stepVersion("k", 1, "schedule_deletion", START, 7));
  const { roundAt, failures } = periodicOf(vault);
  const states = async () => (await keys.versions(await keys.get("k"))).map(({ state }) => state);
  await roundAt(START + 7 * DAY - 1);
  assert.deepEqual(await states(), ["pending_deletion", "enabled"]);
  await roundAt(START + 7 * DAY);
  assert.deepEqual(await states(), ["destroyed", "enabled"]);
  assert.equal((await keys.get("k")).state, "enabled");
  assert.equal((await vault.store.list("key-material", { limit: 10 })).length, 1);
  assert.deepEqual(failures, []);
});

test("what failed is told, and tried again in the next round, once", async () => {
  for (const hidden of [false, true]) {
    const vault = await rotating();
    await commit(vault, planKey(vault.vault, "gone", {}, START));
    await commit(vault, vault.vault.keys.step("gone", "schedule_deletion", START, 7));
    const { roundAt, failures } = periodicOf(vault);
    vault.store[hidden ? "afterCommit" : "beforeCommit"] = () => {
      throw new StoreUnavailable("not now");
    };
    await roundAt(START + 7 * DAY);
    assert.ok(failures.length > 0 && failures.every((error) => error instanceof StoreUnavailable));
    vault.store.beforeCommit = vault.store.afterCommit = () => {};
    const before = failures.length;
    for (let round = 0; round < 3; round++) {
      await roundAt(START + 7 * DAY);
    }
    assert.equal(failures.length, before);
    assert.equal(await versionOf(vault), 2);
    assert.equal((await vault.vault.keys.get("gone")).state, "destroyed");
    // The log in memory learns of a commit that only seemed to fail with the next one.
    await vault.committer.submit(ownEntry("test", "", START));
    assert.equal((await entriesOf(vault, { operation: "keys.rotate" })).length, 1);
    assert.equal((await entriesOf(vault, { operation: "keys.destroy" })).length, 1);
  }
});

test("one key that cannot be taken care of does not keep the others waiting", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  for (const name of ["a", "b", "c"]) {
    await commit(vault, planKey(vault.vault, name));
    await commit(vault, keys.step(name, "schedule_deletion", START, 7));
  }
  const broken = new Proxy(keys, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown;
      if (name === "destroyDue") {
        return (key: string, now: number) =>
          key === "a" ? Promise.reject(new Error("broken")) : target.destroyDue(key, now);
      }
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const { roundAt, failures } = periodicOf({ ...vault, vault: { ...vault.vault, keys: broken } });
  await roundAt(START + 7 * DAY);
  assert.equal(failures.length, 1);
  assert.deepEqual(await Promise.all(["a", "b", "c"].map(async (name) => (await keys.get(name)).state)), [
    "pending_deletion",
    "destroyed",
    "destroyed",
  ]);
});

/** A vault with a key of which one more block of its budget of eight is left. */
async function nearlySpent() {
  const vault = await testVault();
  const { key } = await commit(vault, planKey(vault.vault, "k", { typeName: "aes-256-gcm" }));
  for (let block = 0; block < 8; block++) {
    await vault.committer.submit(
      ownEntry("keys.encrypt", "key/k", START),
      await vault.vault.usage.spend(key, 1, 8 * BLOCK, BLOCK),
    );
  }
  return vault;
}

test("REQ-16 a key whose version has nearly spent its budget rotates by itself, once", async () => {
  const vault = await nearlySpent();
  const { roundAt, failures } = periodicOf(vault);
  for (let round = 0; round < 3; round++) {
    await roundAt(START);
    assert.equal(await versionOf(vault), 2);
  }
  assert.deepEqual(failures, []);
});

test("REQ-16 the rotation of a key that has nearly spent its budget is tried again when it failed", async () => {
  const vault = await nearlySpent();
  const { roundAt, failures } = periodicOf(vault);
  vault.store.beforeCommit = () => {
    throw new StoreUnavailable("not now");
  };
  await roundAt(START);
  assert.equal(failures.length, 1);
  vault.store.beforeCommit = () => {};
  await roundAt(START);
  assert.equal(await versionOf(vault), 2);
});

test("a key that was rotated since its budget was nearly spent does not rotate again", async () => {
  const vault = await nearlySpent();
  await commit(vault, vault.vault.keys.rotate("k", START));
  const { roundAt } = periodicOf(vault);
  await roundAt(START);
  assert.equal(await versionOf(vault), 2);
});

test("a key that cannot rotate because it is disabled is no failure of the periodic work", async () => {
  const vault = await nearlySpent();
  await commit(vault, vault.vault.keys.step("k", "disable", START));
  const { roundAt, failures } = periodicOf(vault);
  await roundAt(START);
  assert.deepEqual(failures, []);
});

test("uses are written once a minute and at the end, and an idle server writes nothing", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  const { periodic, roundAt, time } = periodicOf(vault);
  usage.note("a".repeat(32), 1, START);
  await roundAt(START + 59_999);
  assert.equal(usage.unwritten, 1);
  await roundAt(START + 60_000);
  assert.equal(usage.unwritten, 0);
  usage.note("a".repeat(32), 1, START);
  await roundAt(START + 119_999);
  assert.equal(usage.unwritten, 1);
  time.now = START + 119_999;
  await periodic.stop();
  assert.equal(usage.unwritten, 0);
  const { commits } = vault.store;
  await roundAt(START + 10 * 60_000);
  await periodic.stop();
  assert.equal(vault.store.commits, commits);
});

test("a flush that finds that there is nothing left to write ends", async () => {
  const vault = await testVault();
  let flushes = 0;
  const usage = new Proxy(vault.vault.usage, {
    get(target, name) {
      if (name === "unwritten") {
        // As somebody sees it whose counts another flush is just writing.
        return 1;
      }
      if (name === "flush") {
        flushes += 1;
        assert.ok(flushes < 10, "it goes on for ever");
      }
      const member = Reflect.get(target, name) as unknown;
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  const { periodic, failures } = periodicOf({ ...vault, vault: { ...vault.vault, usage } });
  await periodic.stop();
  assert.deepEqual(failures, []);
});

/** Keys of which every one is due, and whose rotation is what a test makes of it. */
function dueKeys(keys: Unsealed["vault"]["keys"], names: readonly string[], rotate: (name: string) => Promise<void>) {
  return new Proxy(keys, {
    get(target, name) {
      switch (name) {
        case "due":
          return (_now: number, limit: number, after = "") => names.filter((each) => each > after).slice(0, limit);
        case "destroyDue":
          return async () => undefined;
        case "rotateDue":
          return rotate;
        default: {
          const member = Reflect.get(target, name) as unknown;
          return typeof member === "function" ? member.bind(target) : member;
        }
      }
    },
  });
}

const nameOf = (n: number): string => `k${String(n).padStart(4, "0")}`;

test("a thousand keys that fail in each round do not keep those after them waiting, and are tried again", async () => {
  const vault = await testVault();
  const tried = new Map<string, number>();
  const names = Array.from({ length: 2500 }, (_, n) => nameOf(n));
  const keys = dueKeys(vault.vault.keys, names, async (name) => {
    tried.set(name, (tried.get(name) ?? 0) + 1);
    throw new Error("broken");
  });
  const { roundAt } = periodicOf({ ...vault, vault: { ...vault.vault, keys } });
  for (const count of [1000, 2000, 2500]) {
    await roundAt(START);
    assert.equal(tried.size, count);
  }
  await roundAt(START);
  assert.deepEqual([tried.get(nameOf(0)), tried.get(nameOf(999)), tried.get(nameOf(1000))], [2, 2, 1]);
});

test("of a key with both due the destruction comes before the rotation", async () => {
  const vault = await testVault();
  const { keys } = vault.vault;
  await commit(vault, planKey(vault.vault, "k"));
  await commit(vault, keys.rotate("k", START));
  await commit(vault, keys.update("k", { rotationPeriodSeconds: 3600 }));
  await commit(vault, keys.stepVersion("k", 1, "schedule_deletion", START, 7));
  const { roundAt, failures } = periodicOf(vault);
  await roundAt(START + 7 * DAY);
  assert.deepEqual(failures, []);
  const [latest, before] = await entriesOf(vault, {});
  assert.deepEqual([before?.operation, latest?.operation], ["keys.destroy", "keys.rotate"]);
});

test("while a round is under way its timer begins no other, and the next one comes after it", async (t) => {
  const vault = await testVault();
  let rounds = 0;
  let release = (): void => {};
  const keys = dueKeys(vault.vault.keys, ["k"], async () => {
    rounds += 1;
    await new Promise<void>((resolve) => (release = resolve));
  });
  const { periodic } = periodicOf({ ...vault, vault: { ...vault.vault, keys } });
  t.mock.timers.enable({ apis: ["setInterval"] });
  periodic.start();
  for (const expected of [1, 2]) {
    for (let tick = 0; tick < 5; tick++) {
      t.mock.timers.tick(10_000);
      await new Promise(setImmediate);
    }
    assert.equal(rounds, expected);
    release();
    await new Promise(setImmediate);
    assert.equal(rounds, expected);
  }
  await periodic.stop();
});

test("the work ends after the key that is under way, and what was counted is written", async (t) => {
  const vault = await testVault();
  const tried: string[] = [];
  let release = (): void => {};
  const keys = dueKeys(vault.vault.keys, ["a", "b", "c"], async (name) => {
    tried.push(name);
    await new Promise<void>((resolve) => (release = resolve));
  });
  const { usage } = vault.vault;
  usage.note("a".repeat(32), 1, START);
  usage.noteNearlySpent({ name: "none", version: 1 });
  const { periodic, failures } = periodicOf({ ...vault, vault: { ...vault.vault, keys } });
  t.mock.timers.enable({ apis: ["setInterval"] });
  periodic.start();
  t.mock.timers.tick(10_000);
  t.mock.timers.tick(10_000);
  await new Promise(setImmediate);
  const stopped = periodic.stop();
  release();
  await stopped;
  assert.deepEqual(tried, ["a"]);
  assert.deepEqual(failures, []);
  assert.equal(usage.unwritten, 0);
});

test("a key whose uses cannot be written is told of in each flush, and the others' are written", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  const { periodic, roundAt, failures } = periodicOf(vault);
  usage.note("a".repeat(32), 2 ** 40, START);
  const { commits } = vault.store;
  await roundAt(START + 60_000);
  assert.equal(failures.length, 1);
  assert.equal(vault.store.commits, commits);
  usage.note("b".repeat(32), 1, START);
  await periodic.stop();
  assert.equal(failures.length, 2);
  assert.equal(usage.unwritten, 1);
});

test("while the batches of a pruned log are removed calls come in between, and what is due does not wait for all of them", async () => {
  const unsealed = await testVault();
  const { vault, tokens, committer } = unsealed;
  const entries = 20_000;
  for (let entry = 0; entry < entries; entry++) {
    await vault.records.keep([{ table: "audit", path: batchPath(entry), payload: Buffer.alloc(1) }]);
  }
  const retention = { current: { pruned: entries } } as Vault["retention"];
  const { records, keys, usage, imports, attachments } = vault;
  const { roundAt, failures } = periodicOf({
    vault: { records, keys, usage, imports, attachments, retention } as Vault,
    tokens,
    committer,
  });
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  }, 0);
  try {
    await roundAt(START);
    assert.ok(turns > 100, `${turns} turns`);
    const left = async () => (await vault.records.list("audit", { limit: 10_000 })).length;
    assert.equal(await left(), entries - 256 * 64);
    await roundAt(START);
    assert.equal(await left(), 0);
  } finally {
    clearInterval(counting);
  }
  assert.deepEqual(failures, []);
});

test("all answers of earlier days are removed in one flush, however many there are", async () => {
  const { vault, tokens, committer } = await testVault();
  const done = { request: Buffer.alloc(32), answer: undefined };
  const call = (key: number) => ({ caller: "c0ffee", key: String(key) });
  const changes = Array.from({ length: 3_000 }, (_, i) => vault.idempotency.change(call(i), done, START));
  await vault.records.commit(changes, { path: "test/1", payload: Buffer.from("batch") });
  const { roundAt, failures } = periodicOf({ vault, tokens, committer });
  await roundAt(START + DAY);
  assert.equal(
    (await vault.records.list("idempotency", { limit: 4_000 })).length,
    3_000,
    "they may still be asked for",
  );
  await roundAt(START + 2 * DAY);
  assert.deepEqual(await vault.records.list("idempotency", { limit: 4_000 }), []);
  assert.deepEqual(failures, []);
});

test("the parts of a removed attachment leave in the next round, so many at a time, without an entry of their own", async () => {
  const vault = await testVault();
  const { attachments, records } = vault.vault;
  for (let part = 0; part < 130; part++) {
    await commit(vault, attachments.addPart("old.log", part, Buffer.alloc(PART_LENGTH, 1), START));
  }
  await commit(vault, attachments.remove("old.log"));
  const { generation } = records;
  const { size } = vault.log.frontier;
  const { roundAt, failures } = periodicOf(vault);
  for (const left of [2, 0, 0]) {
    await roundAt(START);
    assert.equal((await vault.store.list("attachment-part", { limit: 1000 })).length, left);
  }
  assert.deepEqual(await vault.store.list("attachment-removal", { limit: 1 }), []);
  assert.deepEqual([records.generation, vault.log.frontier.size, failures], [generation, size, []]);
});

test("parts of a removed attachment stop leaving when the work ends, and go on leaving when it begins again", async () => {
  const vault = await testVault();
  const { attachments } = vault.vault;
  for (let part = 0; part < 10; part++) {
    await commit(vault, attachments.addPart("old.log", part, Buffer.alloc(PART_LENGTH, 1), START));
  }
  await commit(vault, attachments.remove("old.log"));
  const left = async () => (await vault.store.list("attachment-part", { limit: 1000 })).length;
  const { periodic, roundAt } = periodicOf(vault);
  let stopped: Promise<void> | undefined;
  vault.store.afterCommit = () => {
    stopped ??= periodic.stop();
  };
  await roundAt(START);
  await stopped;
  assert.equal(await left(), 6);
  await periodicOf(vault).roundAt(START);
  assert.equal(await left(), 0);
});
