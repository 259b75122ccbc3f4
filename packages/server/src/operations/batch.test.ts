import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BunkmsError } from "@bunkms/contract";
import { inPool } from "../crypto/pool.ts";
import { batchAnswer, memberOf, refuseBatch, runItems } from "./batch.ts";

const NEVER = new AbortController().signal;

/** Busy, as a signature is. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    // Nothing else gets its turn.
  }
}

test("results keep the order of the items, however long each takes", async () => {
  const items = Array.from({ length: 40 }, (_, i) => i);
  const results = await runItems(NEVER, items, async (item) => {
    await sleep((item * 7) % 5);
    return { item };
  });
  assert.deepEqual(
    results,
    items.map((item) => ({ item })),
  );
});

test("an item that fails has its own error, and the others are done", async () => {
  const results = await runItems(NEVER, [1, 2, 3], async (item) => {
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

test("what is no error for the caller ends the batch: nothing goes on, and no result is left in memory", async () => {
  const defect = new TypeError("a defect");
  const made: Buffer[] = [];
  let begun = 0;
  let underWay = 0;
  const batch = runItems(NEVER, Array.from({ length: 100 }), async () => {
    begun += 1;
    underWay += 1;
    const item = begun;
    await sleep(item === 5 ? 1 : 5);
    underWay -= 1;
    if (item === 5) {
      throw defect;
    }
    const plaintextB64 = Buffer.alloc(4, 1);
    made.push(plaintextB64);
    return { plaintextB64 };
  });
  await assert.rejects(batch, defect);
  assert.equal(underWay, 0);
  const before = begun;
  assert.ok(before < 10, `${before} items were begun`);
  assert.ok(made.length > 0);
  assert.ok(made.every((bytes) => bytes.equals(Buffer.alloc(4))));
  await sleep(10);
  assert.equal(begun, before);
});

test("REQ-37 a batch ends with the call that it is for, and not with an item's error", async () => {
  const aborted = new AbortController();
  const reason = new BunkmsError("deadline_exceeded");
  let begun = 0;
  const batch = runItems(aborted.signal, Array.from({ length: 1000 }), async () => {
    begun += 1;
    if (begun === 10) {
      aborted.abort(reason);
    }
    await inPool(async () => {});
    return {};
  });
  await assert.rejects(batch, reason);
  assert.ok(begun < 14, `${begun} items were begun`);
});

test("an item can refuse its whole batch", async () => {
  const refusal = new BunkmsError("payload_too_large");
  let begun = 0;
  const batch = runItems(NEVER, Array.from({ length: 100 }), async () => {
    begun += 1;
    return refuseBatch(refusal);
  });
  await assert.rejects(batch, refusal);
  assert.equal(begun, 1);
});

test("REQ-37 however many batches there are, others wait for one short slice of their work", async () => {
  let turn = 0;
  let on = true;
  const count = (): void => {
    turn += 1;
    if (on) {
      setImmediate(count);
    }
  };
  setImmediate(count);
  const items = new Map<number, number>();
  const batches = Array.from({ length: 30 }, () =>
    runItems(NEVER, Array.from({ length: 10 }), async () => {
      work(0.5);
      items.set(turn, (items.get(turn) ?? 0) + 1);
      return {};
    }),
  );
  await Promise.all(batches);
  on = false;
  const most = Math.max(...items.values());
  // 2 ms of 0.5 ms each, and the one that is begun as they end.
  assert.ok(most <= 5, `${most} items in one turn of the event loop`);
});

test("REQ-37 a batch whose items are quick does not wait for those of others that are slow", async () => {
  const ends: (() => void)[] = [];
  const slow = Array.from({ length: 20 }, () =>
    runItems(NEVER, [1, 2], async () => {
      await inPool(() => new Promise<void>((resolve) => ends.push(resolve)));
      return {};
    }),
  );
  assert.equal((await runItems(NEVER, Array.from({ length: 50 }), async () => ({}))).length, 50);
  assert.ok(ends.length <= 3, `${ends.length} slow items at once`);
  const all = Promise.all(slow);
  let done = false;
  void all.then(() => {
    done = true;
  });
  while (!done) {
    ends.shift()?.();
    await sleep(0);
  }
});

test("a batch of long work lets others have their turn", async () => {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  await runItems(NEVER, Array.from({ length: 200 }), async () => {
    work(0.5);
    return {};
  });
  clearInterval(timer);
  assert.ok(turns >= 5, `${turns} turns`);
});
