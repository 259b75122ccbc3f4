import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { BunkmsError } from "@bunkms/contract";
import { inBulk, inPool, makeKeyInTurn } from "./pool.ts";

/** Jobs that end when they are told to. */
function heldJobs() {
  const ends: (() => void)[] = [];
  return {
    ends,
    job: () => new Promise<void>((resolve) => ends.push(resolve)),
    endAll: async (left: () => boolean) => {
      while (left()) {
        ends.shift()?.();
        await setImmediate();
      }
    },
  };
}

const NEVER = new AbortController().signal;

test("REQ-37 all bulk work together takes three places of the pool, and single jobs do not wait for it", async () => {
  const { ends, job, endAll } = heldJobs();
  let done = 0;
  const batches = Array.from({ length: 5 }, () =>
    inBulk(NEVER, () =>
      Promise.all(
        Array.from({ length: 4 }, async () => {
          await inPool(job);
          done += 1;
        }),
      ),
    ),
  );
  await setImmediate();
  assert.equal(ends.length, 3);
  assert.equal(await inPool(async () => "single"), "single");
  ends.shift()?.();
  await setImmediate();
  assert.deepEqual([ends.length, done], [3, 1]);
  await endAll(() => done < 20);
  await Promise.all(batches);
});

test("bulk jobs get their places in the order in which they asked", async () => {
  const { job, endAll } = heldJobs();
  const order: string[] = [];
  const batches = ["a", "b", "c", "d", "e"].map((name) =>
    inBulk(NEVER, () =>
      inPool(() => {
        order.push(name);
        return job();
      }),
    ),
  );
  let done = false;
  void Promise.all(batches).then(() => {
    done = true;
  });
  await endAll(() => !done);
  assert.deepEqual(order, ["a", "b", "c", "d", "e"]);
});

test("REQ-37 no bulk job begins when nobody wants it any more, and a job that fails gives its place back", async () => {
  const { ends, job } = heldJobs();
  const aborted = new AbortController();
  const reason = new BunkmsError("cancelled");
  const held = [1, 2, 3].map(() => inBulk(NEVER, () => inPool(job)));
  let begun = false;
  const late = inBulk(aborted.signal, () =>
    inPool(async () => {
      begun = true;
    }),
  );
  aborted.abort(reason);
  for (const end of ends.splice(0)) {
    end();
  }
  await assert.rejects(late, reason);
  assert.equal(begun, false);
  await Promise.all(held);
  const failed = [1, 2, 3, 4].map(() =>
    inBulk(NEVER, () =>
      inPool(async () => {
        throw new TypeError("a defect");
      }),
    ),
  );
  for (const promise of failed) {
    await assert.rejects(promise, TypeError);
  }
  assert.equal(await inBulk(NEVER, () => inPool(async () => "served")), "served");
});

test("REQ-37 keys that take their time are made one after the other", async () => {
  const { ends, job, endAll } = heldJobs();
  let made = 0;
  const all = Array.from({ length: 4 }, async () => {
    await makeKeyInTurn(job);
    made += 1;
  });
  await setImmediate();
  assert.equal(ends.length, 1);
  await endAll(() => made < 4);
  await Promise.all(all);
});
