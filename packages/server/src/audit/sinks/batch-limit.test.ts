import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchLimit } from "./batch-limit.ts";
import { MAX_BATCH_ENTRIES } from "./sink.ts";

function deliver(limit: BatchLimit, count: number): void {
  for (let i = 0; i < count; i++) {
    limit.delivered(limit.entries);
  }
}

/** How many deliveries there are until it grows. */
function untilItGrows(limit: BatchLimit): number {
  const before = limit.entries;
  for (let count = 1; count < 10_000; count++) {
    limit.delivered(limit.entries);
    if (limit.entries > before) {
      return count;
    }
  }
  throw new Error("it does not grow");
}

test("it is halved by each refusal, down to one entry, and doubled by every 16 deliveries, up to the usual", () => {
  const limit = new BatchLimit();
  const halves: number[] = [];
  while (limit.refused()) {
    halves.push(limit.entries);
  }
  assert.deepEqual(halves, [256, 128, 64, 32, 16, 8, 4, 2, 1]);
  assert.equal(limit.entries, 1);
  for (const entries of [2, 4, 8, 16, 32, 64, 128, 256, 512]) {
    deliver(limit, 15);
    assert.equal(limit.entries, entries / 2);
    limit.delivered(limit.entries);
    assert.equal(limit.entries, entries);
  }
  deliver(limit, 100);
  assert.equal(limit.entries, MAX_BATCH_ENTRIES);
});

test("a receiver whose bound stays is asked for more ever more seldom, up to once in 1024 deliveries", () => {
  const limit = new BatchLimit();
  limit.refused();
  const counts = Array.from({ length: 8 }, () => {
    const count = untilItGrows(limit);
    assert.ok(limit.refused());
    return count;
  });
  assert.deepEqual(counts, [16, 32, 64, 128, 256, 512, 1024, 1024]);
  // Of what it then takes for as long, the rest follows fast.
  assert.equal(untilItGrows(limit), 1024);
  deliver(limit, 1024);
  limit.refused();
  limit.refused();
  assert.deepEqual([untilItGrows(limit), untilItGrows(limit)], [16, 16]);
});

test("refusals in a row, and deliveries before the bound was ever raised, do not make it wait longer", () => {
  const limit = new BatchLimit();
  deliver(limit, 15);
  limit.refused();
  deliver(limit, 15);
  limit.refused();
  limit.refused();
  assert.equal(limit.entries, 64);
  assert.equal(untilItGrows(limit), 16);
});

test("batches that had room left tell nothing: they neither raise the bound nor show that a raised one holds", () => {
  const limit = new BatchLimit();
  limit.refused();
  for (let i = 0; i < 1000; i++) {
    limit.delivered(limit.entries - 1);
  }
  assert.equal(limit.entries, 256);
  const counts = Array.from({ length: 4 }, () => {
    const count = untilItGrows(limit);
    for (let i = 0; i < 1000; i++) {
      limit.delivered(1);
    }
    assert.ok(limit.refused());
    return count;
  });
  assert.deepEqual(counts, [16, 32, 64, 128]);
});
