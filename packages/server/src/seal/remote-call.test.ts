import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertRejects, noAbort } from "./conformance.ts";
import { callRemote, type RemoteService, type Verdict, type Verdicts } from "./remote-call.ts";
import { SealUnavailable } from "./seal.ts";

const SERVICE: RemoteService = { name: "Some KMS", keyName: "k", credentialsHint: "look there", timeoutMs: 100 };
const judge = (_error: unknown, verdicts: Verdicts): Verdict => verdicts.failing(500);

test("a call that does not mind its signal ends in time, and what it answers later is zeroed", async () => {
  const late = Buffer.from("a key");
  const call = () => sleep(200).then(() => late);
  await assertRejects(
    callRemote(SERVICE, "unwrap", noAbort(), call, judge),
    SealUnavailable,
    /did not answer within 0.1 seconds/,
  );
  await sleep(250);
  assert.deepEqual(late, Buffer.alloc(late.length));
});

test("the second attempt shares the first one's time", async () => {
  const starts: number[] = [];
  const call = async () => {
    starts.push(performance.now());
    throw new Error("no");
  };
  const start = performance.now();
  await assertRejects(callRemote(SERVICE, "wrap", noAbort(), call, judge), SealUnavailable, /within 0.1 seconds/);
  assert.equal(starts.length, 1);
  assert.ok(performance.now() - start < 240);
});

test("an abort between the attempts is its own error", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const call = async () => {
    setImmediate(() => controller.abort(reason));
    throw new Error("no");
  };
  const calling = callRemote({ ...SERVICE, timeoutMs: 5_000 }, "wrap", controller.signal, call, judge);
  await assert.rejects(calling, (error) => error === reason);
});
