import assert from "node:assert/strict";
import { test } from "node:test";
import { openMemoryStore } from "../store/memory.ts";
import { type AuditHold, AuditRetention } from "./audit-retention.ts";
import { loadKeyring, newKeyring } from "./keyring.ts";
import type { Plan } from "./plan.ts";
import { Records } from "./records.ts";

/** What is kept of a log whose first 768 entries were archived. */
async function retained() {
  const records = new Records(openMemoryStore(), Buffer.alloc(16, 1), loadKeyring(newKeyring()));
  const retention = new AuditRetention(records);
  let batches = 0;
  const apply = async (plan: Plan<unknown>): Promise<void> => {
    batches += 1;
    plan.committed(await records.commit(plan.changes, { path: String(batches), payload: Buffer.alloc(0) }));
  };
  await apply(retention.archive(0, 768));
  return { records, retention, apply };
}

function hold(name: string, from: number, until: number): AuditHold {
  return { name, reason: "a dispute", from, until, createdAt: 1 };
}

test("nothing is pruned that is not archived, and the bytes of all that was pruned add up", async () => {
  const { records, retention, apply } = await retained();
  assert.throws(() => retention.prune(0, 769, 1), { code: "wrong_audit_range" });
  await apply(retention.prune(0, 256, 1_000));
  await apply(retention.prune(256, 768, 500));
  assert.deepEqual(retention.current, { archived: 768, pruned: 768, prunedBytes: 1_500, holds: [] });
  const again = new AuditRetention(records);
  await again.load();
  assert.deepEqual(again.current, retention.current);
  assert.throws(() => again.prune(768, 1_024, 1), { code: "wrong_audit_range" });
});

test("a hold keeps its first entry and all after it; what lies before it may be pruned", async () => {
  const { retention, apply } = await retained();
  await apply(retention.setHold(hold("case-7", 256, 257)));
  assert.throws(() => retention.prune(0, 257, 1), { code: "audit_hold" });
  assert.throws(() => retention.prune(0, 768, 1), { code: "audit_hold" });
  await apply(retention.prune(0, 256, 1));
  assert.throws(() => retention.prune(256, 512, 1), { code: "audit_hold" });
  await apply(retention.releaseHold("case-7"));
  await apply(retention.prune(256, 512, 1));
  assert.throws(() => retention.releaseHold("case-7"), { code: "not_found" });
});

test("there are a thousand holds at most, of which one can still be changed", async () => {
  const { records, retention, apply } = await retained();
  for (let i = 0; i < 1_000; i++) {
    await apply(retention.setHold(hold(`case-${i}`, 300, 400)));
  }
  assert.throws(() => retention.setHold(hold("one more", 300, 400)), { code: "payload_too_large" });
  await apply(retention.setHold(hold("case-500", 300, Number.POSITIVE_INFINITY)));
  const again = new AuditRetention(records);
  await again.load();
  assert.deepEqual(again.current, retention.current);
  assert.equal(again.current.holds.length, 1_000);
  assert.equal(again.current.holds.find(({ name }) => name === "case-500")?.until, Number.POSITIVE_INFINITY);
});

test("a plan that a hold would refuse rests on its own conditions as well", async () => {
  const { retention, apply } = await retained();
  let holds = true;
  const bare = { result: undefined, changes: [], committed: () => {}, discard: () => {} };
  const plan = retention.unlessHeld({ ...bare, holds: () => holds });
  const unconditional = retention.unlessHeld(bare);
  assert.deepEqual([plan.holds?.(), unconditional.holds?.()], [true, true]);
  holds = false;
  assert.equal(plan.holds?.(), false);
  holds = true;
  await apply(retention.setHold(hold("case-7", 0, 1)));
  assert.deepEqual([plan.holds?.(), unconditional.holds?.()], [false, false]);
  assert.throws(() => retention.unlessHeld(bare), { code: "audit_hold" });
});
