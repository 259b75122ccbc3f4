import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BunkmsError } from "@bunkms/contract";
import { batchAnswer, memberOf, runItems } from "./batch.ts";

test("results keep the order of the items, however long each takes", async () => {
  const items = Array.from({ length: 40 }, (_, i) => i);
  const results = await runItems(items, async (item) => {
    await sleep((item * 7) % 5);
    return { item };
  });
  assert.deepEqual(
    results,
    items.map((item) => ({ item })),
  );
});

test("an item that fails has its own error, and the others are done", async () => {
  const results = await runItems([1, 2, 3], async (item) => {
    if (item === 2) {
      throw new BunkmsError("decryption_failed");
    }
    return { ciphertext: `c${item}` };
  });
  const answer = batchAnswer(results, (i) => memberOf(results[i], "ciphertext"));
  assert.deepEqual([answer.count, answer.failed], [3, 1]);
  assert.deepEqual(answer.results[1], {
    error: { code: "decryption_failed", error: new BunkmsError("decryption_failed").message },
  });
  const expected = Buffer.concat([
    Buffer.from([0, 0, 0, 2]),
    Buffer.from("c1"),
    Buffer.from([0, 0, 0, 0]),
    Buffer.from([0, 0, 0, 2]),
    Buffer.from("c3"),
  ]);
  assert.equal(answer.digest, createHash("sha256").update(expected).digest("hex"));
});

test("what is no error for the caller fails the whole batch", async () => {
  await assert.rejects(
    runItems([1, 2], async () => {
      throw new TypeError("a defect");
    }),
    TypeError,
  );
});

test("a batch of long work lets others have their turn", async () => {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  await runItems(Array.from({ length: 200 }), async () => {
    for (const end = performance.now() + 0.5; performance.now() < end; ) {
      // Busy, as a signature is.
    }
    return {};
  });
  clearInterval(timer);
  assert.ok(turns >= 5, `${turns} turns`);
});
