import assert from "node:assert/strict";
import { test } from "node:test";
import { testCalls } from "../boot/test-calls.ts";
import type { Change } from "./records.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Shortly before midnight. */
const EVENING = 20_000 * DAY_MS - 60_000;

const CALL = { caller: "c0ffee", key: "key-1" };

/** A vault of its own, and what writes a record of a call there. */
async function idempotencyOf() {
  const { unsealed } = await testCalls();
  const { idempotency, records } = unsealed.vault;
  let batch = 1_000_000;
  const commit = async (...changes: readonly Change[]): Promise<void> => {
    batch += 1;
    await records.commit(changes, { path: `test/${batch}`, payload: Buffer.from("batch") });
  };
  const done = { request: idempotency.digest("keys.create", Buffer.from("request")), answer: Buffer.from("answer") };
  const keep = (now: number, key = CALL.key) => commit(idempotency.change({ ...CALL, key }, done, now));
  return { idempotency, records, commit, keep, done };
}

test("a call is found again for 24 hours, over midnight, and not after", async () => {
  const { idempotency, keep, done } = await idempotencyOf();
  assert.equal(await idempotency.find(CALL, EVENING), undefined);
  await keep(EVENING);
  for (const after of [0, 60_000, 23 * HOUR_MS, DAY_MS - 1]) {
    const found = await idempotency.find(CALL, EVENING + after);
    assert.deepEqual(found?.request, done.request);
    assert.deepEqual(Buffer.from(found?.answer ?? []), done.answer);
  }
  for (const after of [DAY_MS, 2 * DAY_MS]) {
    assert.equal(await idempotency.find(CALL, EVENING + after), undefined);
  }
});

test("a call is found by its own caller and name only", async () => {
  const { idempotency, keep } = await idempotencyOf();
  await keep(EVENING);
  assert.equal(await idempotency.find({ ...CALL, caller: "other" }, EVENING), undefined);
  assert.equal(await idempotency.find({ ...CALL, key: "key-2" }, EVENING), undefined);
});

test("requests are told apart by operation and content", async () => {
  const { idempotency } = await idempotencyOf();
  const digests = [
    idempotency.digest("keys.create", Buffer.from("request")),
    idempotency.digest("keys.rotate", Buffer.from("request")),
    idempotency.digest("keys.create", Buffer.from("request2")),
  ].map((digest) => digest.toString("hex"));
  assert.equal(new Set(digests).size, digests.length);
});

test("what is too old is removed, and nothing else", async () => {
  const { idempotency, records, keep } = await idempotencyOf();
  await keep(EVENING, "old");
  await keep(EVENING + DAY_MS, "young");
  const paths = async () => (await records.list("idempotency", { limit: 10 })).length;
  await idempotency.clean(EVENING + DAY_MS);
  assert.equal(await paths(), 2, "of the day before nothing is removed");
  await idempotency.clean(EVENING + 2 * DAY_MS);
  assert.equal(await paths(), 1);
  assert.equal(await idempotency.find({ ...CALL, key: "old" }, EVENING + 2 * DAY_MS), undefined);
  assert.notEqual(await idempotency.find({ ...CALL, key: "young" }, EVENING + 2 * DAY_MS - 1), undefined);
});

test("what is too old is removed a page at a time, until nothing of it is left", async () => {
  const { idempotency, records, commit, done } = await idempotencyOf();
  const old = Array.from({ length: 2 * 256 + 1 }, (_, i) =>
    idempotency.change({ ...CALL, key: `old-${i}` }, done, EVENING),
  );
  await commit(...old, idempotency.change(CALL, done, EVENING + 2 * DAY_MS));
  const later = EVENING + 2 * DAY_MS;
  assert.deepEqual([await idempotency.clean(later), await idempotency.clean(later)], [true, true]);
  assert.equal(await idempotency.clean(later), false);
  assert.equal((await records.list("idempotency", { limit: 10 })).length, 1);
});
