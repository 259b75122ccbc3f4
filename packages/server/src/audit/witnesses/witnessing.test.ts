import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ED25519, noteKey } from "@bunkms/tlog";
import { LOG_KEY, TestReport, testFrontier, testNote } from "../../../../../test/audit/cosigned-log.ts";
import { witnessed } from "../../../../../test/audit/witnessed-log.ts";
import { Witnessing } from "./witnessing.ts";

test("what enough have cosigned is on disk, and then shown, with all cosignatures that there are", async () => {
  const log = await witnessed(3, 2);
  log.witnessing.start();
  await log.look();
  assert.equal(log.witnessing.state.quorum, "waiting");
  await log.grow(5);
  assert.equal(log.checkpoints.published?.note, testNote(5));
  await log.look();
  assert.deepEqual(log.names(), ["W1", "W2", "W3"]);
  assert.equal(log.witnessing.state.quorum, "satisfied");
  assert.equal(log.saved.at(-1), log.checkpoints.cosigned?.note);
  await log.grow(6);
  assert.equal(log.checkpoints.published?.size, 5);
  assert.equal(log.checkpoints.latest?.size, 6);
  await log.look();
  assert.equal(log.checkpoints.published?.size, 6);
  await log.look();
  assert.deepEqual(
    log.seats.map(({ asked }) => asked.length),
    [2, 2, 2],
  );
});

test("without its quorum a checkpoint is not shown, and who was down is asked for it again", async () => {
  const log = await witnessed(2, 2);
  const [, second] = log.seats;
  assert.ok(second);
  second.behave = () => ({ status: 503 });
  log.witnessing.start();
  await log.grow(5);
  await log.look();
  assert.equal(log.cosigned(), undefined);
  assert.equal(log.checkpoints.published?.note, testNote(5));
  second.behave = undefined;
  await log.look();
  assert.equal(second.asked.length, 1);
  log.time.now += 2_000;
  await log.look();
  assert.equal(log.checkpoints.cosigned?.size, 5);
  // The first gave its cosignature already.
  assert.deepEqual(
    log.seats.map(({ asked }) => asked.length),
    [1, 2],
  );
});

test("a checkpoint that does not get its quorum does not keep the next one from being submitted", async () => {
  const log = await witnessed(2, 2);
  const [, second] = log.seats;
  assert.ok(second);
  second.behave = () => ({ status: 422 });
  log.witnessing.start();
  await log.grow(5);
  await log.look();
  await log.grow(6);
  log.time.now += 2_000;
  await log.look();
  assert.deepEqual(
    log.seats.map(({ asked }) => asked),
    [
      [testNote(5), testNote(6)],
      [testNote(5), testNote(6)],
    ],
  );
});

test("while a slow witness is waited for, all are asked for the same checkpoint, and nobody twice at once", async () => {
  const log = await witnessed(2, 2);
  const [, slow] = log.seats;
  assert.ok(slow);
  const gate = Promise.withResolvers<undefined>();
  slow.behave = () => gate.promise;
  log.witnessing.start();
  await log.witnessing.idle();
  await log.grow(5);
  log.witnessing.look();
  await log.grow(6);
  log.witnessing.look();
  log.witnessing.look();
  gate.resolve(undefined);
  await log.witnessing.idle();
  assert.equal(log.checkpoints.cosigned?.size, 5);
  assert.deepEqual(
    log.seats.map(({ asked }) => asked),
    [[testNote(5)], [testNote(5)]],
  );
  await log.look();
  assert.equal(log.checkpoints.cosigned?.size, 6);
});

test("a slow witness that is not needed does not keep the next checkpoint waiting", async () => {
  const log = await witnessed(2, 1);
  const [, slow] = log.seats;
  assert.ok(slow);
  slow.behave = () => "hang";
  log.witnessing.start();
  await log.witnessing.idle();
  for (const size of [5, 6]) {
    await log.grow(size);
    // Sooner than the slow one is given up, which would end the wait as well.
    for (const deadline = performance.now() + 5_000; log.checkpoints.cosigned?.size !== size; ) {
      assert.ok(performance.now() < deadline);
      log.witnessing.look();
      await setTimeout(10);
    }
  }
  assert.equal(slow.asked.length, 1);
  await log.witnessing.stop();
});

test("the operator is told once that the quorum is missing, a minute after a checkpoint waits, and once that it is back", async () => {
  const log = await witnessed(2, 2);
  const [, second] = log.seats;
  assert.ok(second);
  log.witnessing.start();
  await log.grow(5);
  await log.look();
  for (let i = 0; i < 2; i++) {
    log.time.now += 600_000;
    await log.look();
    assert.equal(log.witnessing.state.quorum, "satisfied", "a log that does not grow waits for nobody");
  }
  second.behave = () => ({ status: 503 });
  await log.grow(6);
  for (let i = 0; i < 60; i++) {
    assert.equal(log.witnessing.state.quorum, "satisfied");
    await log.look();
    log.time.now += 1_000;
  }
  await log.look();
  await log.look();
  assert.equal(log.witnessing.state.quorum, "missing");
  const missing = log.report.lines.filter((line) => line.includes("quorum"));
  assert.deepEqual(missing, ["warn: the quorum of witnesses is missing: too few of them cosign the audit log"]);
  second.behave = undefined;
  log.time.now += 60_000;
  await log.look();
  assert.equal(log.witnessing.state.quorum, "satisfied");
  assert.equal(log.report.lines.at(-1), "info: the quorum of witnesses cosigns the audit log again");
});

test("what was signed while the checkpoint before it was collected for waits since then", async () => {
  const log = await witnessed(1, 1);
  const [witness] = log.seats;
  assert.ok(witness);
  const gate = Promise.withResolvers<undefined>();
  witness.behave = () => gate.promise;
  log.witnessing.start();
  await log.witnessing.idle();
  await log.grow(5);
  log.witnessing.look();
  await log.grow(6);
  log.time.now = 50_000;
  gate.resolve(undefined);
  await log.witnessing.idle();
  assert.equal(log.cosigned(), 5);
  witness.behave = () => ({ status: 503 });
  log.time.now = 59_999;
  await log.look();
  assert.equal(log.witnessing.state.quorum, "satisfied");
  log.time.now = 60_000;
  await log.look();
  assert.equal(log.witnessing.state.quorum, "missing");
});

test("what cannot be written is not shown, and written at the next look", async () => {
  let isBroken = true;
  const log = await witnessed(1, 1, {
    save: async () => {
      if (isBroken) {
        throw new Error("disk full");
      }
    },
  });
  log.witnessing.start();
  await log.grow(5);
  await log.look();
  await log.look();
  assert.equal(log.cosigned(), undefined);
  assert.deepEqual(log.report.lines, ["error: the cosignatures of the audit log's checkpoint cannot be written"]);
  isBroken = false;
  await log.look();
  assert.equal(log.checkpoints.cosigned?.size, 5);
  assert.equal(log.seats[0]?.asked.length, 1);
});

test("what enough have cosigned is written also when the next checkpoint is collected for before the disk takes it", async () => {
  const gate = Promise.withResolvers<void>();
  const saved: (string | undefined)[] = [];
  const log = await witnessed(2, 2, {
    save: async (_, note) => {
      saved.push(note);
      if (saved.length === 1) {
        await gate.promise;
      }
    },
  });
  const [, second] = log.seats;
  assert.ok(second);
  log.witnessing.start();
  await log.witnessing.idle();
  await log.grow(5);
  log.witnessing.look();
  // The first writing, of how far one witness is, takes its time. Both have cosigned then.
  await until(() => log.witnessing.state.witnesses.every(({ cursor }) => cursor?.size === 5));
  second.behave = () => ({ status: 503 });
  await log.grow(6);
  log.witnessing.look();
  await until(() => second.asked.length === 2);
  gate.resolve();
  await log.witnessing.idle();
  assert.equal(log.cosigned(), 5);
  assert.deepEqual(log.names(), ["W1", "W2"]);
  second.behave = undefined;
  log.time.now += 2_000;
  await log.look();
  assert.equal(log.cosigned(), 6);
  assert.equal(saved.at(-1), log.checkpoints.cosigned?.note);
});

test("of an earlier run, what has the policy's quorum is shown from the beginning; what does not is not", async () => {
  for (const needed of [1, 2]) {
    const log = await witnessed(2, needed);
    const note = testNote(5) + (log.seats[0]?.cosigner.cosign(testNote(5)) ?? "");
    log.checkpoints.restore({ size: 5, root: testFrontier(5).root(), note });
    await log.grow(7);
    log.witnessing.start();
    assert.equal(log.checkpoints.published?.note, needed === 1 ? note : log.checkpoints.latest?.note);
    await log.look();
    assert.equal(log.checkpoints.published?.size, 7);
    // A second beginning does not go back to it.
    const again = new Witnessing(log.parts);
    again.start();
    assert.equal(log.checkpoints.published?.size, 7);
    await again.stop();
  }
});

test("a policy that needs nobody has the newest checkpoint shown, with cosignatures if there are", async () => {
  const log = await witnessed(1, 0);
  log.witnessing.start();
  await log.grow(5);
  await log.look();
  assert.deepEqual(log.names(), ["W1"]);
  assert.equal(log.checkpoints.published?.note, log.checkpoints.cosigned?.note);
  await log.grow(6);
  assert.equal(log.checkpoints.published?.note, testNote(6));
  assert.equal(log.witnessing.state.quorum, "none");
});

test("where nobody is needed, nothing is taken for cosigned without any cosignature", async () => {
  const log = await witnessed(1, 0);
  const [slow] = log.seats;
  assert.ok(slow);
  const gate = Promise.withResolvers<undefined>();
  slow.behave = () => gate.promise;
  log.witnessing.start();
  await log.witnessing.idle();
  await log.grow(5);
  log.witnessing.look();
  await log.grow(6);
  log.witnessing.look();
  gate.resolve(undefined);
  await log.witnessing.idle();
  assert.equal(log.cosigned(), 5);
  assert.deepEqual(log.names(), ["W1"]);
});

test("a policy that names other logs than this one is reported, and one that names it, or none, is not", async () => {
  const log = await witnessed(1, 1);
  const stranger = noteKey(LOG_KEY.name, ED25519, Buffer.alloc(32, 1));
  for (const [keys, lines] of [
    [[], 0],
    [[LOG_KEY], 0],
    [[stranger, LOG_KEY], 0],
    [[stranger], 1],
  ] as const) {
    const report = new TestReport();
    const policy = { ...log.policy, policy: { ...log.policy.policy, logs: keys.map((key) => ({ key })) } };
    const witnessing = new Witnessing({ ...log.parts, policy, report });
    witnessing.start();
    await witnessing.stop();
    assert.equal(report.lines.length, lines, `${keys.length} logs`);
  }
});

test("a witness is asked from where it was in an earlier run; what cannot be read is asked for", async () => {
  const log = await witnessed(1, 1, { load: async () => ({ size: 3, cosignedAt: 9 }) });
  log.witnessing.start();
  await log.witnessing.idle();
  assert.deepEqual(log.witnessing.state.witnesses[0]?.cursor, { size: 3, cosignedAt: 9 });
  const other = await witnessed(1, 1, {
    load: async () => {
      throw new Error("damaged");
    },
  });
  other.witnessing.start();
  await other.grow(5);
  await other.witnessing.idle();
  await other.look();
  assert.equal(other.checkpoints.cosigned?.size, 5);
});

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 10_000; !holds(); await setTimeout(5)) {
    assert.ok(performance.now() < deadline);
  }
}
