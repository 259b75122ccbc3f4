import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { applyCommit, assertHolds, headOf } from "./store-workload.ts";

/**
 * Runs store-io-errors.ts, which dies by SIGKILL at its end. @returns The folder, and the last commit that succeeded.
 */
function runUntilKilled(t: TestContext, kind: string): { folder: string; acknowledged: number } {
  const root = mkdtempSync(join(tmpdir(), "bunkms-io-errors-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, "data");
  const { signal, stdout, stderr } = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "store-io-errors.ts"), kind, folder],
    { encoding: "utf8" },
  );
  assert.equal(signal, "SIGKILL", `${stderr}\n(this test needs Linux with seccomp)`);
  return { folder, acknowledged: Number(stdout) };
}

test("REQ-03 when fsync fails no commit succeeds, reads go on, and after a restart all that was acknowledged is there", async (t) => {
  const { folder, acknowledged } = runUntilKilled(t, "fsync");
  const store = await openSqliteStore(folder);
  const head = await headOf(store);
  // The commit whose fsync failed may have reached the disk. Nobody was told that it did not apply.
  assert.ok(head === acknowledged || head === acknowledged + 1, `${head} of ${acknowledged}`);
  await assertHolds(store, head, "after the restart");
  await applyCommit(store, head + 1);
  await store.close();
});

test("REQ-03 when writes fail no commit succeeds, reads go on, and the store recovers by itself", async (t) => {
  const { folder, acknowledged } = runUntilKilled(t, "write");
  const store = await openSqliteStore(folder);
  assert.equal(await headOf(store), acknowledged);
  await assertHolds(store, acknowledged, "after the restart");
  await store.close();
});

test("REQ-03 when the log cannot be brought into the database commits fail before it grows without bound", async (t) => {
  const { folder, acknowledged } = runUntilKilled(t, "checkpoint");
  const store = await openSqliteStore(folder);
  await assertHolds(store, acknowledged, "after the restart");
  assert.ok(await store.get("probe", "after"));
  await store.close();
});
