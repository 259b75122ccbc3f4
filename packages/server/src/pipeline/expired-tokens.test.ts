import assert from "node:assert/strict";
import { test } from "node:test";
import { ownEntry } from "../audit/entry.ts";
import { AuditReader } from "../audit/reader.ts";
import { testVault } from "../boot/test-vault.ts";
import type { Unsealed } from "../boot/unseal.ts";
import { RevisionConflict, StoreUnavailable } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import { auditBatches } from "./audit-batches.ts";
import { Periodic } from "./periodic.ts";

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function submit<T>({ committer }: Unsealed, plan: Plan<T>): Promise<unknown> {
  return committer.submit(ownEntry("test", "", START), plan as Plan<unknown>);
}

/** @returns The tokens' ids. */
async function makeTokens(unsealed: Unsealed, ttlMs: number, count = 1): Promise<readonly string[]> {
  const plans = Array.from({ length: count }, () => unsealed.tokens.create("t", "reader", ttlMs / 1000, START));
  await Promise.all(plans.map((plan) => submit(unsealed, plan)));
  return plans.map(({ result }) => result.id);
}

/** The ids of those that `makeTokens` made, in order. */
async function listed({ tokens }: Unsealed): Promise<readonly string[]> {
  return (await tokens.list("", 10_000)).filter(({ name }) => name === "t").map(({ id }) => id);
}

/** A vault whose periodic work is done at the times that the test says. */
async function aged() {
  const vault = await testVault();
  const time = { now: START };
  const failures: unknown[] = [];
  const periodic = new Periodic({ ...vault, clock: () => time.now, onFailure: (error) => failures.push(error) });
  const roundAt = async (now: number): Promise<void> => {
    time.now = now;
    await periodic.round();
  };
  return { vault, failures, roundAt };
}

async function removalsIn({ vault, log }: Unsealed) {
  const reader = new AuditReader({ batches: auditBatches(vault.records), log, pruned: () => 0 });
  return (await reader.list({ operation: "tokens.remove_expired" }, undefined, 1000)).entries;
}

test("a token that expired is listed for another day, and leaves then with an entry; others stay", async () => {
  const { vault, failures, roundAt } = await aged();
  const short = await makeTokens(vault, HOUR);
  const long = await makeTokens(vault, 3 * DAY);
  const endless = await makeTokens(vault, 0);
  const all = [...short, ...long, ...endless].toSorted();
  for (const [now, left] of [
    [START + HOUR + DAY - 1, all],
    // They are looked through once an hour.
    [START + 2 * HOUR + DAY - MINUTE - 1, all],
    [START + 2 * HOUR + DAY - 1, [...long, ...endless].toSorted()],
    [START + 10 * DAY, endless],
    [START + 1000 * DAY, endless],
  ] as const) {
    await roundAt(now);
    assert.deepEqual(await listed(vault), left, new Date(now).toISOString());
  }
  assert.deepEqual(failures, []);
  assert.deepEqual(
    (await removalsIn(vault)).map(({ resource, transport, outcome, time }) => [resource, transport, outcome, time]),
    [
      ["count/1", "local", "ok", START + 10 * DAY],
      ["count/1", "local", "ok", START + 2 * HOUR + DAY - 1],
    ],
  );
});

test("a clock that is set back from far ahead does not put off what is due every minute or hour until it is there again", async () => {
  const { vault, failures, roundAt } = await aged();
  await roundAt(START + 1000 * DAY);
  await makeTokens(vault, HOUR);
  await roundAt(START + 2 * DAY);
  assert.deepEqual(await listed(vault), []);
  assert.deepEqual(failures, []);
});

test("however many expired, all of them leave, in commits of 256", async () => {
  const { vault, failures, roundAt } = await aged();
  await makeTokens(vault, HOUR, 600);
  const endless = await makeTokens(vault, 0, 300);
  await roundAt(START + 2 * DAY);
  assert.deepEqual(await listed(vault), endless.toSorted());
  assert.deepEqual(
    (await removalsIn(vault)).map(({ resource }) => resource),
    ["count/88", "count/256", "count/256"],
  );
  assert.deepEqual(failures, []);
});

test("a removal that fails is told, and done by the next round; one whose token was revoked meanwhile changes nothing", async () => {
  const { vault, failures, roundAt } = await aged();
  const expired = await makeTokens(vault, HOUR, 2);
  vault.store.beforeCommit = () => {
    throw new StoreUnavailable("the disk is full");
  };
  await roundAt(START + 2 * DAY);
  assert.notEqual(failures.length, 0);
  vault.store.beforeCommit = () => {};
  assert.deepEqual(await listed(vault), expired.toSorted());

  const removal = await vault.tokens.expired(START + 2 * DAY);
  await submit(vault, await vault.tokens.revoke(expired[0] as string));
  await assert.rejects(submit(vault, removal as Plan<number>), RevisionConflict);
  assert.deepEqual(await listed(vault), expired.slice(1));
  failures.length = 0;
  await roundAt(START + 2 * DAY + HOUR);
  assert.deepEqual(await listed(vault), []);
  assert.deepEqual(failures, []);
});
