import assert from "node:assert/strict";
import { test } from "node:test";
import { collectDefaultMetrics, Registry } from "prom-client";
import { Metrics } from "./metrics.ts";

/** The `# HELP` and `# TYPE` lines, in order. */
function described(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("# "))
    .sort();
}

function metrics(): Metrics {
  return new Metrics({
    auditEntries: () => 0,
    auditBytes: () => 0,
    auditUnindexed: () => 0,
    auditSigned: () => 0,
    healthy: () => true,
    damaged: () => 3,
    sealed: () => true,
    failingSeals: () => 0,
    sinks: () => [],
  });
}

test("the metrics of the runtime are all that prom-client has, under the same names", async () => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const theirs = described(await registry.metrics());
  const ours = described(await metrics().text());
  assert.ok(theirs.length >= 40);
  assert.deepEqual(
    ours.filter((line) => !/^# \w+ bunkms_/.test(line)),
    theirs,
  );
});

test("CPU time is that of the process, and both parts make up the whole", async () => {
  const text = await metrics().text();
  const value = (name: string): number => Number(new RegExp(`^process_cpu_${name} (\\S+)$`, "m").exec(text)?.[1]);
  const { user, system } = process.cpuUsage();
  assert.ok(value("user_seconds_total") > 0 && value("user_seconds_total") <= user / 1e6);
  assert.ok(value("system_seconds_total") >= 0 && value("system_seconds_total") <= system / 1e6);
  // Each is read for itself, a moment after the other.
  const apart = value("seconds_total") - value("user_seconds_total") - value("system_seconds_total");
  assert.ok(apart > -1e-9 && apart < 0.1);
});
