import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parsePolicy, parseTlogProof, parseVkey, verifyTlogProof } from "@bunkms/tlog";
import { askGo } from "./go-program.ts";
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
  const all = await kms.until("all", (status) =>
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
