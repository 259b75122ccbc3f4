import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { witnessed } from "../../../../../test/audit/witnessed-log.ts";

test("a submission that is under way at the end writes nothing, and the end does not wait for the witness", async () => {
  const log = await witnessed(1, 1);
  const [witness] = log.seats;
  assert.ok(witness);
  const asked = Promise.withResolvers<void>();
  witness.behave = () => {
    asked.resolve();
    return "hang";
  };
  log.witnessing.start();
  await log.witnessing.idle();
  await log.grow(5);
  log.witnessing.look();
  await asked.promise;
  const begun = performance.now();
  await log.witnessing.stop();
  assert.ok(performance.now() - begun < 2_000);
  await log.look();
  assert.deepEqual(log.saved, []);
  assert.equal(log.cosigned(), undefined);
  assert.deepEqual(log.report.lines, []);
});

test("the end waits for what is being written, and begins no other writing", async () => {
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let saves = 0;
  const log = await witnessed(2, 2, {
    save: async () => {
      saves += 1;
      begun.resolve();
      await gate.promise;
    },
  });
  log.witnessing.start();
  await log.witnessing.idle();
  await log.grow(5);
  log.witnessing.look();
  await begun.promise;
  // The other's cosignature comes while the first one's is being written.
  while (log.witnessing.state.witnesses.some(({ isUp }) => !isUp)) {
    await setTimeout(5);
  }
  let hasEnded = false;
  const end = log.witnessing.stop().then(() => {
    hasEnded = true;
  });
  await setTimeout(20);
  assert.equal(hasEnded, false);
  gate.resolve();
  await end;
  assert.equal(saves, 1);
});

test("the end waits for what is being read, of the witnesses' places and for proofs", async () => {
  for (const which of ["load", "proveConsistency"] as const) {
    const gate = Promise.withResolvers<never>();
    const begun = Promise.withResolvers<void>();
    const log = await witnessed(1, 1, {
      load: async () => ({ size: 3, cosignedAt: 0 }),
      [which]: () => {
        begun.resolve();
        return gate.promise;
      },
    });
    log.witnessing.start();
    await log.grow(5);
    if (which === "proveConsistency") {
      await log.witnessing.idle();
      log.witnessing.look();
    }
    await begun.promise;
    let hasEnded = false;
    const end = log.witnessing.stop().then(() => {
      hasEnded = true;
    });
    await setTimeout(20);
    assert.equal(hasEnded, false, which);
    gate.reject(new Error("closed"));
    await end;
  }
});
