import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { auditEntries } from "../../../../test/harness/audit-entries.ts";
import { ArchiveFolder } from "../audit/archive-folder.ts";
import { DeliveryFailed } from "../audit/sinks/sink.ts";
import { removePruned } from "../pipeline/audit-batches.ts";
import { cursorStore, logSource } from "../pipeline/audit-feed.ts";
import { RecordDamaged } from "../vault/record.ts";
import { testCalls } from "./test-calls.ts";
import { FaultyStore, testSeal, testVault } from "./test-vault.ts";
import { openOrCreate } from "./unseal.ts";

test("the log is read forwards from anywhere, in pages of any size", async () => {
  const { committer, log, tree } = await testVault();
  const entries = auditEntries(0, 700).map(({ bytes }) => bytes);
  const first = log.frontier.size;
  for (const [from, to] of [
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 600],
    [600, 700],
  ]) {
    await Promise.all(entries.slice(from, to).map((entry) => committer.submit(entry)));
  }
  const source = logSource(tree, log);
  assert.equal(source.size(), first + 700);
  for (const limit of [1, 2, 100, 512, 5000]) {
    const got: Buffer[] = [];
    for (let at = first; at < source.size(); at = first + got.length) {
      const page = await source.read(at, limit);
      assert.ok(page.length <= limit && page.length > 0);
      got.push(...page);
    }
    assert.deepEqual(got, entries, `limit ${limit}`);
  }
});

test("pruned entries come from the archive; without it the sink is told to wait", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-feed-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const calls = await testCalls(new FaultyStore(), testSeal(), undefined, new ArchiveFolder(folder));
  const { committer, log, tree, vault } = calls.unsealed;
  await Promise.all(auditEntries(0, 600).map(({ bytes }) => committer.submit(bytes)));
  await committer.checkpoint();
  const source = logSource(tree, log);
  const before = await source.read(0, 600);
  await calls.call("audit.archive", {});
  await calls.call("audit.prune", { before: "512" });
  while (await removePruned(vault.records, vault.retention.current.pruned)) {
    // Until none is left.
  }
  assert.deepEqual(await source.read(0, 600), before);
  assert.deepEqual(await source.read(300, 2), before.slice(300, 302));
  rmSync(folder, { recursive: true });
  await assert.rejects(
    source.read(0, 10),
    (error) => error instanceof DeliveryFailed && error.failure.needsMending === true,
  );
  assert.deepEqual(await source.read(512, 10), before.slice(512, 522));
});

test("a cursor is kept over openings, is no mutation, and what is not one is damage", async () => {
  const { vault, store, seal, log } = await testVault();
  const cursors = cursorStore(vault.records);
  assert.equal(await cursors.load("file"), undefined);
  const { generation } = vault.records;
  const { size } = log.frontier;
  await cursors.save("file", 7);
  await cursors.save("file", 2 ** 40);
  await cursors.save("webhook", 3);
  assert.deepEqual([vault.records.generation, log.frontier.size], [generation, size]);
  const again = cursorStore((await openOrCreate(store, seal())).vault.records);
  assert.deepEqual([await again.load("file"), await again.load("webhook")], [2 ** 40, 3]);
  assert.equal(await again.load("otlp"), undefined);
  await vault.records.keep([{ table: "audit-cursor", path: "sink/otlp", payload: Buffer.alloc(7) }]);
  await assert.rejects(again.load("otlp"), RecordDamaged);
});
