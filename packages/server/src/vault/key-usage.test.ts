import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { KeyUsageRecordSchema } from "@bunkms/contract/record";
import fc from "fast-check";
import { ownEntry } from "../audit/entry.ts";
import { testVault } from "../boot/test-vault.ts";
import { openOrCreate, type Unsealed } from "../boot/unseal.ts";
import { collectForgottenKeys } from "../crypto/forget-keys.ts";
import { RevisionConflict, StoreUnavailable } from "../store/store.ts";
import type { VersionUse } from "./key-usage.ts";
import type { Plan } from "./plan.ts";

const MINUTE = 60_000;
const NOW = 1000 * MINUTE;
const BLOCK = 2 ** 16;
const id = (n: number): string => n.toString(16).padStart(32, "0");

const KEY = { id: id(1), name: "key" };

type Vault = Awaited<ReturnType<typeof testVault>>;

/** Commits one flush. @returns Whether it was told to have been written. */
async function flush({ vault, committer }: Unsealed): Promise<boolean> {
  const plan = await vault.usage.flush();
  try {
    await committer.submit(ownEntry("keys.record_usage", "", NOW), plan);
    return true;
  } catch (error) {
    assert.ok(error instanceof StoreUnavailable || error instanceof RevisionConflict, String(error));
    return false;
  } finally {
    plan.discard();
  }
}

function lose(): never {
  throw new StoreUnavailable("lost");
}

async function usesOf({ vault }: Unsealed, key: string): Promise<Record<number, VersionUse>> {
  return Object.fromEntries(await vault.usage.of(key));
}

type Step =
  | { readonly kind: "note"; readonly key: number; readonly version: number; readonly count: number }
  | { readonly kind: "flush" | "failing flush" | "hidden flush" | "forget" }
  | { readonly kind: "minutes"; readonly minutes: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("note" as const),
    key: fc.integer({ min: 1, max: 3 }),
    version: fc.integer({ min: 1, max: 3 }),
    count: fc.integer({ min: 1, max: 1000 }),
  }),
  fc.record({
    kind: fc.constantFrom("flush" as const, "failing flush" as const, "hidden flush" as const, "forget" as const),
  }),
  fc.record({ kind: fc.constant("minutes" as const), minutes: fc.integer({ min: 1, max: 3 }) }),
);

test("counts are never lost and never doubled while the process lives, whatever commits fail, and outlive it once written", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const vault = await testVault();
      const model = new Map<number, Record<number, VersionUse>>([1, 2, 3].map((key) => [key, {}]));
      let now = NOW;
      for (const next of steps) {
        if (next.kind === "note") {
          vault.vault.usage.note(id(next.key), next.version, now + 59_999, next.count);
          const uses = model.get(next.key) as Record<number, VersionUse>;
          uses[next.version] = { lastUsedAt: now, uses: (uses[next.version]?.uses ?? 0) + next.count };
        } else if (next.kind === "minutes") {
          now += next.minutes * MINUTE;
        } else if (next.kind === "forget") {
          vault.vault.usage.forget();
        } else {
          vault.store.beforeCommit = next.kind === "failing flush" ? lose : () => {};
          vault.store.afterCommit = next.kind === "hidden flush" ? lose : () => {};
          await flush(vault);
          vault.store.beforeCommit = vault.store.afterCommit = () => {};
        }
        for (const [key, uses] of model) {
          assert.deepEqual(await usesOf(vault, id(key)), uses);
        }
      }
      assert.ok(await flush(vault));
      assert.equal(vault.vault.usage.unwritten, 0);
      const again = await openOrCreate(vault.store, vault.seal());
      for (const [key, uses] of model) {
        assert.deepEqual(await usesOf(again, id(key)), uses);
      }
    }),
    { numRuns: 60 },
  );
});

test("a flush that was written although its commit seemed to fail counts nothing twice", async () => {
  const vault = await testVault();
  vault.vault.usage.note(id(1), 1, NOW, 5);
  vault.store.afterCommit = lose;
  assert.equal(await flush(vault), false);
  vault.store.afterCommit = () => {};
  vault.vault.usage.note(id(1), 1, NOW, 2);
  // The first attempt may find its plan outdated by what was written.
  assert.ok((await flush(vault)) || (await flush(vault)));
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW, uses: 7 } });
});

test("a use that is counted while a flush reads the other keys is not lost", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  usage.note(id(1), 1, NOW);
  usage.note(id(2), 1, NOW);
  const { get } = vault.store;
  vault.store.get = (table, path) => {
    if (table === "key-usage" && path === id(2)) {
      usage.note(id(1), 1, NOW);
    }
    return get(table, path);
  };
  assert.ok(await flush(vault));
  vault.store.get = get;
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW, uses: 2 } });
  assert.ok(await flush(vault));
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW, uses: 2 } });
});

test("a use that is counted while a flush is being written waits for the next", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  usage.note(id(1), 1, NOW, 3);
  vault.store.beforeCommit = () => usage.note(id(1), 1, NOW + MINUTE);
  assert.ok(await flush(vault));
  vault.store.beforeCommit = () => {};
  assert.equal(usage.unwritten, 1);
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW + MINUTE, uses: 4 } });
  assert.ok(await flush(vault));
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW + MINUTE, uses: 4 } });
});

test("of two flushes at once one is outdated, and nothing is counted twice", async () => {
  const vault = await testVault();
  vault.vault.usage.note(id(1), 1, NOW, 3);
  const written = await Promise.all([flush(vault), flush(vault)]);
  assert.deepEqual(written.toSorted(), [false, true]);
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW, uses: 3 } });
});

test("the last use is the latest, also when a slow one that began earlier ends after it", async () => {
  const vault = await testVault();
  vault.vault.usage.note(id(1), 1, NOW + 2 * MINUTE);
  vault.vault.usage.note(id(1), 1, NOW);
  assert.equal((await usesOf(vault, id(1)))[1]?.lastUsedAt, NOW + 2 * MINUTE);
  assert.ok(await flush(vault));
  vault.vault.usage.note(id(1), 1, NOW + MINUTE);
  assert.equal((await usesOf(vault, id(1)))[1]?.lastUsedAt, NOW + 2 * MINUTE, "after a flush");
  assert.ok(await flush(vault));
  assert.equal((await usesOf(vault, id(1)))[1]?.lastUsedAt, NOW + 2 * MINUTE, "after two");
});

test("a flush takes 500 keys at most, those that have waited longest", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  for (let n = 1; n <= 1100; n++) {
    usage.note(id(n), 1, NOW);
  }
  const plan = await usage.flush();
  assert.deepEqual(plan.result, { keys: 500, failures: [] });
  assert.deepEqual(
    plan.changes.map(({ path }) => path),
    Array.from({ length: 500 }, (_, n) => id(n + 1)),
  );
  for (const left of [600, 100, 0]) {
    assert.ok(await flush(vault));
    assert.equal(usage.unwritten, left);
  }
  assert.equal((await usage.flush()).result.keys, 0);
});

/** Spends as an operation does: a plan that is outdated is made anew. @returns Whether the messages may leave. */
async function spend({ vault, committer }: Unsealed, budget: number, count: number, version = 1): Promise<boolean> {
  for (;;) {
    let plan: Plan<undefined> | undefined;
    try {
      plan = await vault.usage.spend(KEY, version, budget, count);
      await committer.submit(ownEntry("keys.encrypt", "key/key", NOW), plan);
      return true;
    } catch (error) {
      if (error instanceof BunkmsError && error.code === "wrong_key_state") {
        return false;
      }
      assert.ok(error instanceof RevisionConflict, String(error));
    } finally {
      plan?.discard();
    }
  }
}

test("REQ-16 no more messages than the budget are ever allowed, over any restarts, lost commits and batches", async () => {
  const budget = 6 * BLOCK;
  const counts = fc.array(fc.constantFrom(1, 7, 1000, BLOCK, -1, -2, -3), { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(counts, async (actions) => {
      const made: Vault = await testVault();
      let opened: Unsealed = made;
      let spent = 0;
      for (const action of [...actions, ...Array.from({ length: 7 }, () => BLOCK)]) {
        if (action === -1) {
          opened = await openOrCreate(made.store, made.seal());
        } else if (action < 0) {
          made.store[action === -2 ? "beforeCommit" : "afterCommit"] = lose;
          await spend(opened, budget, 1).then(
            () => (spent += 1),
            () => {},
          );
          made.store.beforeCommit = made.store.afterCommit = () => {};
        } else if (await spend(opened, budget, action)) {
          spent += action;
        }
        assert.ok(spent <= budget, `${spent}`);
      }
      assert.equal(await spend(opened, budget, BLOCK), false);
      assert.equal(await spend(opened, budget, BLOCK, 2), true);
    }),
    { numRuns: 40 },
  );
});

test("a budget of whole blocks is used to the last message, and then refuses", async () => {
  const vault = await testVault();
  for (let i = 0; i < 2 * BLOCK; i += 8192) {
    assert.ok(await spend(vault, 2 * BLOCK, 8192));
  }
  const commits = vault.store.commits;
  assert.equal(await spend(vault, 2 * BLOCK, 1), false);
  assert.equal(vault.store.commits, commits);
});

test("of 64 messages at once that need a block one reserves it, and no message but those is paid for twice", async () => {
  const vault = await testVault();
  const spends = await Promise.all(Array.from({ length: 64 }, () => spend(vault, BLOCK, 1)));
  assert.ok(spends.every((allowed) => allowed));
  let left = 0;
  while (await spend(vault, BLOCK, 1024)) {
    left += 1024;
  }
  assert.ok(left >= BLOCK - 64 - 1024, `${left}`);
});

test("of a crowd that needs several blocks each reserves in its turn, and no reservation is outdated", async () => {
  const { vault, committer, store } = await testVault();
  const { commits } = store;
  const reserved = await Promise.all(
    Array.from({ length: 256 }, async (_, i) => {
      const plan = await vault.usage.spend(KEY, 1 + (i % 2), 2 ** 32, 1000);
      // An outdated one is refused, and fails the test.
      await committer.submit(ownEntry("keys.encrypt", "key/key", NOW), plan);
      plan?.discard();
      return plan !== undefined;
    }),
  );
  assert.equal(reserved.filter(Boolean).length, 4);
  assert.ok(store.commits > commits);
  const { versions } = await vault.usage.stored(id(1));
  assert.deepEqual(
    versions.map((use) => use.reserved),
    [2n * BigInt(BLOCK), 2n * BigInt(BLOCK)],
  );
});

/** Whether a promise is settled once all that can happen by itself has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  for (let turn = 0; turn < 10; turn++) {
    await new Promise(setImmediate);
  }
  return settled;
}

test("whoever waits for a reservation that is given up makes his own, also when it is given up twice", async () => {
  const { usage } = (await testVault()).vault;
  const first = await usage.spend(KEY, 1, 2 ** 32, 1);
  const second = usage.spend(KEY, 1, 2 ** 32, 1);
  assert.equal(await isSettled(second), false);
  first?.discard();
  const reserved = await second;
  assert.ok(reserved !== undefined);
  const third = usage.spend(KEY, 1, 2 ** 32, 1);
  first?.discard();
  assert.equal(await isSettled(third), false);
  reserved.discard();
  const last = await third;
  assert.ok(last !== undefined);
  last.discard();
});

test("nobody waits for a reservation that was refused or could not be looked at", async () => {
  const vault = await testVault();
  const refused = { code: "wrong_key_state" };
  await assert.rejects(vault.vault.usage.spend(KEY, 1, 1, 1), refused);
  await assert.rejects(vault.vault.usage.spend(KEY, 1, 1, 1), refused);
  vault.vault.usage.forget();
  const { get } = vault.store;
  vault.store.get = async () => lose();
  await assert.rejects(vault.vault.usage.spend(KEY, 1, 2 ** 32, 1), StoreUnavailable);
  vault.store.get = get;
  assert.ok(await spend(vault, 2 ** 32, 1));
});

test("a reservation that is never committed nor discarded keeps the others waiting for five seconds at most", async (t) => {
  const vault = await testVault();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  await vault.vault.usage.spend(KEY, 1, 2 ** 32, 1);
  const waiting = spend(vault, 2 ** 32, 1);
  t.mock.timers.tick(4999);
  assert.equal(await isSettled(waiting), false);
  t.mock.timers.tick(1);
  assert.equal(await waiting, true);
});

test("what a block does not hold any more costs a write, and all else costs none", async () => {
  const vault = await testVault();
  const plan = await vault.vault.usage.spend(KEY, 1, 4 * BLOCK, 1);
  assert.ok(plan !== undefined);
  plan.discard();
  assert.ok(await spend(vault, 4 * BLOCK, 1));
  for (let i = 1; i < 100; i++) {
    assert.equal(await vault.vault.usage.spend(KEY, 1, 4 * BLOCK, 600), undefined);
  }
  const after = await openOrCreate(vault.store, vault.seal());
  assert.ok((await after.vault.usage.spend(KEY, 1, 4 * BLOCK, 1)) !== undefined);
});

test("a key is told of once its version has used more than seven eighths of its budget, each time once", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  for (let block = 1; block <= 8; block++) {
    assert.ok(await spend(vault, 8 * BLOCK, BLOCK));
    assert.deepEqual(usage.takeNearlySpent(), block > 7 ? [{ name: "key", version: 1 }] : [], `block ${block}`);
    assert.deepEqual(usage.takeNearlySpent(), []);
  }
});

test("what is reserved and what is counted do not get in each other's way", async () => {
  const vault = await testVault();
  vault.vault.usage.note(id(1), 1, NOW, 3);
  const spends = Array.from({ length: 8 }, () => spend(vault, 2 * BLOCK, 1));
  const [written] = await Promise.all([flush(vault), ...spends]);
  assert.ok(written || (await flush(vault)));
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW, uses: 3 } });
  const again = await openOrCreate(vault.store, vault.seal());
  assert.deepEqual(await usesOf(again, id(1)), { 1: { lastUsedAt: NOW, uses: 3 } });
  assert.ok(await spend(again, 2 * BLOCK, BLOCK));
  assert.equal(await spend(again, 2 * BLOCK, 1), false);
});

test("a full disk lets no attempts pile up: of those of a key only the last is kept", async () => {
  const vault = await testVault();
  vault.store.beforeCommit = lose;
  const payloads: WeakRef<Uint8Array>[] = [];
  for (let minute = 0; minute < 50; minute++) {
    vault.vault.usage.note(id(1), 1, NOW + minute * MINUTE);
    const plan = await vault.vault.usage.flush();
    payloads.push(new WeakRef(plan.changes[0]?.payload as Uint8Array));
    await assert.rejects(vault.committer.submit(ownEntry("keys.record_usage", "", NOW), plan));
    plan.discard();
  }
  await new Promise(setImmediate);
  collectForgottenKeys();
  assert.ok(payloads.filter((payload) => payload.deref() !== undefined).length <= 2);
  vault.store.beforeCommit = () => {};
  assert.ok(await flush(vault));
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW + 49 * MINUTE, uses: 50 } });
});

test("a flush that the store shows before its commit has told is counted once", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  usage.note(id(1), 1, NOW, 5);
  const plan = await usage.flush();
  const { commit } = vault.store;
  vault.store.commit = async (writes) => {
    const revisions = await commit(writes);
    usage.note(id(1), 1, NOW, 5);
    // As when the cache was full.
    usage.forget();
    assert.equal((await usesOf(vault, id(1)))[1]?.uses, 10);
    return revisions;
  };
  await vault.committer.submit(ownEntry("keys.record_usage", "", NOW), plan);
  plan.discard();
  assert.deepEqual(await usesOf(vault, id(1)), { 1: { lastUsedAt: NOW, uses: 10 } });
});

test("a record that cannot be read or encoded is told, and keeps none of the others from being written", async () => {
  const vault = await testVault();
  const { usage } = vault.vault;
  await vault.store.commit([{ table: "key-usage", path: id(1), value: Buffer.from("damaged"), expected: 0 }]);
  usage.note(id(1), 1, NOW);
  usage.note(id(2), 2 ** 40, NOW);
  usage.note(id(3), 1, NOW, 3);
  const plan = await usage.flush();
  assert.equal(plan.result.keys, 3);
  assert.deepEqual(
    plan.result.failures.map((error) => error instanceof Error),
    [true, true],
  );
  assert.deepEqual(
    plan.changes.map(({ path }) => path),
    [id(3)],
  );
  plan.discard();
  usage.note(id(4), 1, NOW);
  assert.ok(await flush(vault));
  assert.equal(usage.unwritten, 2);
  assert.deepEqual(await usesOf(vault, id(3)), { 1: { lastUsedAt: NOW, uses: 3 } });
});

/** A record of a backup. */
function backedUp(versions: readonly { version: number; uses?: bigint; reserved?: bigint }[]) {
  return create(KeyUsageRecordSchema, { versions: versions.map((use) => ({ ...use, lastUsedAtMs: BigInt(NOW) })) });
}

async function restore({ vault, committer }: Unsealed, ...restored: Parameters<typeof vault.usage.restore>) {
  await committer.submit(ownEntry("keys.restore", "", NOW), await vault.usage.restore(...restored));
}

test("no count of uses in a record, however large, keeps a later one from being written", async () => {
  for (const uses of [2n ** 64n - 1n, 2n ** 53n, 2n ** 53n - 2n]) {
    const vault = await testVault();
    await restore(vault, id(1), backedUp([{ version: 1, uses }]));
    vault.vault.usage.note(id(1), 1, NOW, 5);
    for (let time = 0; time < 2; time++) {
      assert.equal((await usesOf(vault, id(1)))[1]?.uses, Number.MAX_SAFE_INTEGER);
      assert.ok(await flush(vault));
    }
    assert.equal(vault.vault.usage.unwritten, 0);
  }
});

test("a key of ten thousand versions is restored and counted in a time that grows as they do", async () => {
  const vault = await testVault();
  const versions = Array.from({ length: 10_000 }, (_, i) => ({ version: i + 1, uses: 5n, reserved: BigInt(i) }));
  const began = performance.now();
  await restore(vault, id(1), backedUp(versions));
  for (const { version } of versions) {
    vault.vault.usage.note(id(1), version, NOW);
  }
  assert.ok(await flush(vault));
  assert.ok(performance.now() - began < 3000);
  const stored = await vault.vault.usage.stored(id(1));
  assert.deepEqual(
    stored.versions.map(({ version, uses, reserved }) => ({ version, uses, reserved })),
    versions.map((use) => ({ ...use, uses: 6n })),
  );
});

test("a restored version with a budget is taken for nearly spent, unless its key's usage was known here", async () => {
  const latest = { name: "key", version: 3 };
  const vault = await testVault();
  const { usage } = vault.vault;
  const plan = await usage.restore(id(1), backedUp([]), latest);
  assert.deepEqual(usage.takeNearlySpent(), [], "not before it is committed");
  await vault.committer.submit(ownEntry("keys.restore", "", NOW), plan);
  assert.deepEqual(usage.takeNearlySpent(), [latest]);
  await restore(vault, id(1), backedUp([{ version: 3, reserved: 7n }]), latest);
  assert.deepEqual(usage.takeNearlySpent(), [], "it is known");
  await restore(vault, id(2), backedUp([]));
  assert.deepEqual(usage.takeNearlySpent(), [], "it has no budget");
});
