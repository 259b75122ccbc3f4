import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "./health.ts";

/** A health whose probes end when the test says so, and whose time it sets. */
function slowHealth() {
  const probes: { readonly end: () => void; readonly fail: (error: Error) => void }[] = [];
  const time = { now: 0 };
  const health = new Health(
    () => undefined,
    () => new Promise((end, fail) => probes.push({ end, fail })),
    () => time.now,
  );
  return { health, probes, time };
}

test("a store that is slow is probed once at a time, and everybody waits for the same verdict", async () => {
  const { health, probes, time } = slowHealth();
  const verdicts = [health.notReady()];
  time.now = 5_000;
  verdicts.push(health.notReady(), health.notReady());
  assert.equal(probes.length, 1);
  probes[0]?.end();
  assert.deepEqual(await Promise.all(verdicts), [undefined, undefined, undefined]);
  const next = health.notReady();
  assert.equal(probes.length, 2, "it is probed again once that is over");
  probes[1]?.fail(new Error("no disk"));
  assert.equal((await next)?.code, "storage_unavailable");
});

test("the store is probed at most once a second, and anew after a failure", async () => {
  const { health, probes, time } = slowHealth();
  const first = health.notReady();
  probes[0]?.fail(new Error("no disk"));
  assert.equal((await first)?.code, "storage_unavailable");
  time.now = 999;
  assert.equal((await health.notReady())?.code, "storage_unavailable");
  assert.equal(probes.length, 1);
  time.now = 1_000;
  const second = health.notReady();
  probes[1]?.end();
  assert.equal(await second, undefined);
});
