import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COSIGNATURE_ED25519, formatVkey, parsePolicy, parseTlogProof, parseVkey, verifyTlogProof } from "@bunkms/tlog";
import { copyFolder } from "../faults/sealed-vault.ts";
import { runServer } from "../requirements/server-run.ts";
import { askGo } from "./go-program.ts";
import { makeSigner } from "./sample-log.ts";
import { type AuditStatus, WitnessedServer } from "./witnessed-server.ts";

/** Whether enough have cosigned at least so many entries. */
const cosigned =
  (size: number) =>
  (status: AuditStatus): boolean =>
    Number(status.cosigned?.size ?? 0) >= size;

const reasonsOf = (status: AuditStatus): readonly string[] => status.witnesses.map(({ reason }) => reason);

test("three witnesses cosign; two are enough; below that, what had the quorum stays; who is back catches up", {
  timeout: 240_000,
}, async (context) => {
  const kms = new WitnessedServer(context);
  await kms.begin();
  const policy = readFileSync(kms.policyPath);

  // All of them, as Go verifies it from outside, entry by entry.
  const index = await kms.grow();
  const all = await kms.until(
    "all",
    (status) =>
      cosigned(index + 1)(status) &&
      status.witnesses.every(({ size, reason }) => Number(size) > index && reason === ""),
  );
  assert.equal(all.quorum, "satisfied");
  const headers = { authorization: `Bearer ${kms.token}` };
  const [checked] = await askGo("check", [
    { source: `${kms.server.url}/audit/`, headers, logs: kms.logs, witnesses: kms.vkeys("W1", "W2") },
  ]);
  assert.equal(checked?.error, undefined);
  assert.ok((checked?.answer?.size ?? 0) > index);

  // A receipt that the quorum vouches for.
  const { proof, entry_b64 } = await kms.json<{ readonly proof: string; readonly entry_b64: string }>(
    `/v1/audit/receipts/${index}`,
  );
  const trust = { logs: kms.logs.map(parseVkey), policy: parsePolicy(policy) };
  const opened = verifyTlogProof(parseTlogProof(proof), Buffer.from(entry_b64, "base64"), trust);
  assert.ok(opened.witnesses.length >= 2);

  // One is down.
  await kms.stopWitness("W3");
  const withoutOne = await kms.until("two", cosigned((await kms.grow()) + 1));
  assert.equal(withoutOne.quorum, "satisfied");
  const failing = await kms.until("W3 is missed", (status) => reasonsOf(status)[2] === "unreachable");
  assert.ok(failing.witnesses[2]?.failing_since !== undefined);
  assert.equal(await kms.metric('bunkms_audit_witness_up{witness="W3"}'), 0);
  assert.equal(await kms.metric('bunkms_audit_witness_up{witness="W1"}'), 1);

  // Two are down: what is shown is the last that had the quorum, and the operator is told after a minute.
  await kms.stopWitness("W2");
  await kms.until("W2 is missed", (status) => reasonsOf(status)[1] === "unreachable");
  const kept = await kms.published();
  const keptSize = kms.verify(kept, policy).checkpoint.size;
  const missing = await kms.until("the alarm", (status) => status.quorum === "missing", 90_000);
  assert.ok(Number(missing.signed?.size) > keptSize);
  assert.equal(await kms.published(), kept);
  assert.match(kms.server.output(), /the quorum of witnesses is missing/);
  assert.equal(await kms.metric("bunkms_audit_quorum_missing"), 1);
  assert.ok((await kms.metric("bunkms_audit_cosigned_age_seconds")) > 50);
  // Nothing waits for witnesses.
  const before = performance.now();
  const late = await kms.grow();
  assert.ok(performance.now() - before < 5_000);
  // Its receipt has a checkpoint that is only signed.
  const early = await kms.json<{ readonly proof: string; readonly entry_b64: string }>(`/v1/audit/receipts/${late}`);
  const entry = Buffer.from(early.entry_b64, "base64");
  assert.throws(() => verifyTlogProof(parseTlogProof(early.proof), entry, trust), { reason: "quorum_missing" });
  verifyTlogProof(parseTlogProof(early.proof), entry, { logs: trust.logs });

  // Both are back, with what they remember.
  await kms.startWitness("W2");
  await kms.startWitness("W3");
  const back = await kms.until("back", cosigned(late + 1), 90_000);
  assert.notEqual(back.quorum, "missing");
  const caughtUp = await kms.until(
    "caught up",
    (status) => status.witnesses.every(({ reason }) => reason === ""),
    90_000,
  );
  assert.equal(caughtUp.quorum, "satisfied");
  assert.match(kms.server.output(), /the quorum of witnesses cosigns the audit log again/);
  assert.equal(await kms.metric("bunkms_audit_quorum_missing"), 0);
  const again = kms.verify(await kms.published(), policy);
  assert.ok(again.checkpoint.size > late);
});

test("after kill -9 the server shows what had the quorum, and goes on with the witnesses where they are", {
  timeout: 120_000,
}, async (context) => {
  const kms = new WitnessedServer(context);
  await kms.begin();
  const policy = readFileSync(kms.policyPath);
  const index = await kms.grow();
  await kms.until("cosigned", cosigned(index + 1));
  const { checkpoint: before } = kms.verify(await kms.published(), policy);
  await kms.server.kill();
  await kms.startServer();
  // From the first moment on.
  const first = kms.verify(await kms.published(), policy);
  assert.ok(first.checkpoint.size >= before.size);
  const after = await kms.until("goes on", cosigned((await kms.grow()) + 1));
  assert.equal(after.quorum, "satisfied");
  await kms.until("all of them", (status) =>
    status.witnesses.every(({ reason, size }) => reason === "" && size !== "0"),
  );
  assert.doesNotMatch(kms.server.output(), /does not cosign/);
});

test("REQ-09 REQ-29 an older copy of all that the server has is noticed by the witnesses, who cosign none of it", {
  timeout: 240_000,
}, async (context) => {
  const kms = new WitnessedServer(context);
  await kms.begin();
  const policy = readFileSync(kms.policyPath);
  await kms.until("cosigned", cosigned((await kms.grow()) + 1));
  await kms.server.stop();
  const copy = copyFolder(kms.dataPath, join(kms.folder, "copy"));

  await kms.startServer();
  const witness = kms.verify(await kms.published(), policy).checkpoint.size;
  // What whoever runs the server would have undone.
  for (let i = 0; i < 100; i++) {
    await kms.grow();
  }
  const index = await kms.grow();
  await kms.until(
    "all",
    (status) => cosigned(index + 1)(status) && status.witnesses.every(({ size }) => Number(size) > index),
  );
  const later = await kms.published();
  assert.ok(kms.verify(later, policy).checkpoint.size > witness + 100);
  await kms.server.stop();

  // The whole folder goes back, and the witness file goes: nothing on this machine can tell.
  rmSync(kms.dataPath, { recursive: true });
  copyFolder(copy, kms.dataPath);
  rmSync(join(kms.dataPath, "witness"));
  await kms.startServer();
  const alarm = await kms.until("the alarm", ({ witnesses }) =>
    witnesses.every(({ reason }) => reason === "larger_log"),
  );
  assert.ok(Number(alarm.size) < index);
  assert.match(kms.server.output(), /"level":50,.*"reason":"larger_log".*larger log of this origin/);
  assert.equal(await kms.metric('bunkms_audit_witness_contradicts{witness="W1"}'), 1);

  // Nor does it help to make the log as long as it was: its entries are others.
  while ((await kms.grow()) <= index) {
    await kms.get("/v1/tokens/self");
  }
  await kms.until("other entries", ({ witnesses }) => witnesses.every(({ reason }) => reason === "other_log"), 90_000);
  assert.match(kms.server.output(), /"level":50,.*"reason":"other_log"/);
  // No auditor with the policy takes what the server signed since; what was taken before is still shown.
  const { size } = kms.verify(await kms.published(), policy).checkpoint;
  assert.ok(size <= Number(alarm.size));
  const receipt = await kms.json<{ readonly proof: string }>(`/v1/audit/receipts/${index}`);
  const { checkpoint } = parseTlogProof(receipt.proof);
  assert.throws(() => kms.verify(checkpoint, policy), { reason: "quorum_missing" });
  // And who kept the later checkpoint shows that both were signed by this log.
  assert.ok(kms.verify(later, policy).checkpoint.size > size);
});

test("a rotated key goes on being cosigned beside the old one; witnesses that know neither say so, until they are told", {
  timeout: 180_000,
}, async (context) => {
  const kms = new WitnessedServer(context);
  await kms.begin();
  const policy = readFileSync(kms.policyPath);
  await kms.rotateKey();
  const status = await kms.until("by the old key", cosigned((await kms.grow()) + 1));
  assert.deepEqual(reasonsOf(status), ["", "", ""]);
  await kms.rotateKey();
  await kms.until("no more", ({ witnesses }) => witnesses.every(({ reason }) => reason === "key_unknown"));
  await kms.readLogKeys();
  for (const name of ["W1", "W2", "W3"]) {
    await kms.stopWitness(name);
    await kms.startWitness(name);
  }
  await kms.until("by the new key", cosigned((await kms.grow()) + 1), 90_000);
  kms.verify(await kms.published(), policy);
  await kms.stopWitness("W1");
  await kms.startWitness("W1", []);
  await kms.until("unknown", (one) => reasonsOf(one)[0] === "log_unknown");
  assert.match(kms.server.output(), /"reason":"log_unknown".*it does not know this log/);
});

test("a policy that is malformed, or names an address that may not be called, stops the start with exit code 2", async (context) => {
  const kms = new WitnessedServer(context);
  const vkey = formatVkey(makeSigner("a.example/witness", COSIGNATURE_ED25519).key);
  for (const [policy, said] of [
    ["quorum none\nnonsense\n", /BUNKMS_AUDIT_POLICY_FILE: line 2: /],
    ["", /the policy has no quorum line/],
    ["witness a a.example+e7d6b2a0+AAAA\nquorum a\n", /line 1: /],
    [`witness a ${vkey} http://a.example\nquorum a\n`, /address of witness 1 must begin with https/],
    [`witness a ${vkey}\nquorum a\n`, /the quorum cannot be reached/],
  ] as const) {
    writeFileSync(kms.policyPath, policy);
    const { end, output } = await runServer(kms.dataPath, { env: kms.env });
    assert.equal(end, 2, output);
    assert.match(output, said);
  }
  rmSync(kms.policyPath);
  const { end, output } = await runServer(kms.dataPath, { env: kms.env });
  assert.equal(end, 2);
  assert.match(output, /BUNKMS_AUDIT_POLICY_FILE: the file cannot be read \(ENOENT\)/);
});
