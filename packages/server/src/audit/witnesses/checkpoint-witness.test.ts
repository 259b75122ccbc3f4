import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { COSIGNATURE_ML_DSA_44 } from "@bunkms/tlog";
import { TestReport, testCosigner, testFrontier, testNote } from "../../../../../test/audit/cosigned-log.ts";
import { type CannedAnswer, type CannedServer, startCannedServer } from "../../../../../test/harness/canned-server.ts";
import type { FailureReason } from "./add-checkpoint.ts";
import { CheckpointWitness } from "./checkpoint-witness.ts";

const SIZE = 7;
const NOTE = testNote(SIZE);
const CHECKPOINT = { size: SIZE, root: testFrontier(SIZE).root(), note: NOTE };
const LOG_SIZE = 9;

const servers: CannedServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));

/** A witness that gives these answers, one after the other, the last one again and again. */
async function canned(...answers: readonly CannedAnswer[]) {
  let asked = 0;
  const server = await startCannedServer(() => answers[Math.min(asked++, answers.length - 1)] as CannedAnswer);
  servers.push(server);
  const time = { now: 0 };
  const report = new TestReport();
  const parts = {
    logSize: () => LOG_SIZE,
    proveConsistency: async (from: number, to: number) => [Buffer.alloc(32, from), Buffer.alloc(32, to)],
    clock: () => time.now,
    monotonic: () => time.now,
    report,
  };
  const address = new URL(`${server.url}/some/prefix/`);
  const witness = new CheckpointWitness({ name: "W", key: KEYS.key, address }, parts);
  const submit = (signal = new AbortController().signal) => witness.submit(CHECKPOINT, signal);
  return { server, witness, submit, time, report, parts };
}

const KEYS = testCosigner("witness.example/w");
const OTHER = testCosigner("witness.example/w");
const LINE = KEYS.cosign(NOTE);

const size = (text: string, type = "text/x.tlog.size"): CannedAnswer => ({
  status: 409,
  headers: { "content-type": type },
  body: text,
});

test("the body is the old size, the proof and the signed note, and the cosignature is kept", async () => {
  const { server, submit, witness } = await canned({ status: 200, body: LINE });
  assert.equal(await submit(), LINE);
  assert.equal(server.requests[0]?.method, "POST");
  assert.equal(server.requests[0]?.path, "/some/prefix/add-checkpoint");
  assert.equal(server.requests[0]?.body.toString(), `old 0\n\n${NOTE}`);
  assert.deepEqual(witness.state.cursor, { size: SIZE, cosignedAt: 0 });
  assert.equal(witness.state.isUp, true);
  assert.equal(await submit(), LINE);
  assert.equal(server.requests[1]?.body.toString(), `old ${SIZE}\n\n${NOTE}`);
});

test("a witness that is further than was believed is asked again, with the proof from there", async () => {
  const { server, submit } = await canned(size("3\n"), { status: 200, body: LINE });
  assert.equal(await submit(), LINE);
  const [from, to] = [Buffer.alloc(32, 3).toString("base64"), Buffer.alloc(32, SIZE).toString("base64")];
  assert.equal(server.requests[1]?.body.toString(), `old 3\n${from}\n${to}\n\n${NOTE}`);
});

test("a witness that was put back is asked from there; one that has just this checkpoint needs no proof", async () => {
  const { server, submit, witness } = await canned(size("0\n"), size(`${SIZE}\n`), { status: 200, body: LINE });
  witness.adopt({ size: 5, cosignedAt: 0 });
  assert.equal(await submit(), undefined);
  assert.equal(witness.state.failing?.reason, "conflict");
  assert.match(server.requests[0]?.body.toString() ?? "", /^old 5\n/);
  assert.match(server.requests[1]?.body.toString() ?? "", /^old 0\n\n/);
  assert.equal(await submit(), LINE);
  assert.match(server.requests[2]?.body.toString() ?? "", /^old 7\n\n/);
});

test("a witness that was further than this checkpoint is asked as one of which nothing is known", async () => {
  const { server, submit, witness } = await canned({ status: 200, body: LINE });
  witness.adopt({ size: SIZE + 1, cosignedAt: 0 });
  assert.equal(await submit(), LINE);
  assert.equal(server.requests[0]?.body.toString(), `old 0\n\n${NOTE}`);
});

test("signatures of other keys are dropped, and of several by its own the latest is kept", async () => {
  const later = KEYS.cosign(NOTE, 1_795_000_001);
  const strangers = testCosigner("stranger.example/w", COSIGNATURE_ML_DSA_44).cosign(NOTE);
  const { submit } = await canned({ status: 200, body: strangers + LINE + OTHER.cosign(NOTE) + later + LINE });
  assert.equal(await submit(), later);
});

const badLine = `— ${KEYS.key.name} ${Buffer.concat([KEYS.key.id, Buffer.alloc(72, 1)]).toString("base64")}\n`;

for (const [name, reason, answer] of [
  ["nothing", "answer_malformed", { status: 200, body: "" }],
  ["an empty line", "answer_malformed", { status: 200, body: "\n" }],
  ["a cosignature without its newline", "answer_malformed", { status: 200, body: LINE.trimEnd() }],
  ["half of a cosignature", "answer_malformed", { status: 200, body: LINE.slice(0, 40) }],
  ["HTML", "answer_malformed", { status: 200, body: "<html>\n</html>\n" }],
  ["what is no UTF-8", "answer_malformed", { status: 200, body: Buffer.from([0xff, 0x0a]) }],
  ["another note that has the cosignature", "answer_malformed", { status: 200, body: `x\n\n${LINE}` }],
  ["a hundred and one signatures", "answer_malformed", { status: 200, body: LINE.repeat(101) }],
  ["another status", "answer_malformed", { status: 204 }],
  ["no signature of its key", "signature_missing", { status: 200, body: OTHER.cosign(NOTE) }],
  [
    "its signature under another name",
    "signature_missing",
    { status: 200, body: LINE.replace(KEYS.key.name, "stranger.example/w") },
  ],
  ["a wrong signature", "signature_wrong", { status: 200, body: badLine }],
  ["a wrong signature beside a right one", "signature_wrong", { status: 200, body: LINE + badLine }],
  ["a cosignature over another checkpoint", "signature_wrong", { status: 200, body: KEYS.cosign(testNote(8)) }],
  ["a cosignature without a time", "time_missing", { status: 200, body: KEYS.cosign(NOTE, 0) }],
  ["too much", "answer_too_large", { status: 200, body: LINE.repeat(1_000) }],
  ["a redirect", "redirected", { status: 307, headers: { location: "http://127.0.0.1:1/" } }],
  ["400", "request_refused", { status: 400 }],
  ["403", "key_unknown", { status: 403 }],
  ["404", "log_unknown", { status: 404 }],
  ["422", "other_log", { status: 422 }],
  ["429", "throttled", { status: 429 }],
  ["500", "failing", { status: 500 }],
  ["the size that it was asked from", "answer_malformed", size("0\n")],
  ["a size as another type", "answer_malformed", size("3\n", "text/plain")],
  ["a size without its newline", "answer_malformed", size("3")],
  ["a size with a sign", "answer_malformed", size("-3\n")],
  ["a size with zeros before it", "answer_malformed", size("03\n")],
  ["a size that no number has", "answer_malformed", size("9007199254740992\n")],
  ["a size of a thousand digits", "answer_malformed", size(`${"9".repeat(1_000)}\n`)],
  ["a size beyond the log", "larger_log", size(`${LOG_SIZE + 1}\n`)],
  ["the largest size", "larger_log", size("9007199254740991\n")],
  ["a size beyond the checkpoint, within the log", "conflict", size(`${SIZE + 1}\n`)],
] as const satisfies readonly (readonly [string, FailureReason, CannedAnswer])[]) {
  test(`an answer with ${name} is no cosignature: ${reason}`, async () => {
    const { submit, witness, report, server } = await canned(answer);
    assert.equal(await submit(), undefined);
    assert.deepEqual(witness.state.failing, { since: 0, reason });
    assert.equal(witness.state.isUp, false);
    assert.equal(witness.state.cursor, undefined);
    const isAlarm = reason === "larger_log" || reason === "other_log";
    assert.equal(witness.state.isContradicting, isAlarm);
    assert.equal(report.lines.length, 1);
    assert.ok(report.lines[0]?.startsWith(isAlarm ? "error" : "warn"));
    // Once more it is asked only after a size that it can have.
    assert.equal(server.requests.length, 1);
  });
}

test("an address where nobody listens is reported once, and tried less and less often", async () => {
  const { server, submit, witness, time, report } = await canned({ status: 500 });
  await server.close();
  servers.splice(servers.indexOf(server), 1);
  for (const pause of [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    assert.ok(witness.isFree);
    assert.equal(await submit(), undefined);
    assert.deepEqual(witness.state.failing, { since: 0, reason: "unreachable" });
    time.now += pause - 1;
    assert.ok(!witness.isFree);
    time.now += 1;
  }
  assert.equal(report.lines.length, 1);
});

test("a witness that was down and cosigns again is reported, and asked at once from then on", async () => {
  const { submit, witness, report } = await canned({ status: 422 }, { status: 503 }, { status: 200, body: LINE });
  await submit();
  await submit();
  // What it said is not forgotten because it is down.
  assert.equal(witness.state.isContradicting, true);
  assert.equal(await submit(), LINE);
  assert.equal(witness.state.isContradicting, false);
  assert.equal(witness.state.failing, undefined);
  assert.ok(witness.isFree);
  assert.equal(report.lines.length, 3);
  assert.equal(report.lines[2], "info: the witness cosigns again");
});

test("who does not answer, or never ends, is given up in time", { timeout: 30_000 }, async () => {
  const silent = await canned("hang");
  const server = createServer((_, response) => void response.write(LINE));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const witness = new CheckpointWitness({ name: "W", key: KEYS.key, address }, silent.parts);
  const begun = performance.now();
  const unending = witness.submit(CHECKPOINT, new AbortController().signal);
  assert.deepEqual(await Promise.all([silent.submit(), unending]), [undefined, undefined]);
  assert.equal(silent.witness.state.failing?.reason, "timeout");
  assert.equal(witness.state.failing?.reason, "timeout");
  server.closeAllConnections();
  server.close();
  assert.ok(performance.now() - begun > 9_000);
});

test("what was aborted is no failure of the witness, and nothing of it is kept", async () => {
  const { submit, witness, report } = await canned("hang");
  const stopped = new AbortController();
  const submission = submit(stopped.signal);
  stopped.abort();
  assert.equal(await submission, undefined);
  assert.equal(witness.state.failing, undefined);
  assert.equal(witness.state.cursor, undefined);
  assert.deepEqual(report.lines, []);
});
