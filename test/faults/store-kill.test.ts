import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { seeded } from "../vectors/seeded.ts";
import { assertHolds, headOf } from "./store-workload.ts";

const ROUNDS = process.env.BUNKMS_SOAK === "1" ? 1000 : 20;
/** A folder is used for this many kills, then a new one, so that creation is hit as well and checks stay quick. */
const ROUNDS_PER_FOLDER = 10;

/**
 * Starts a writer, kills it, and reads what it had told until then.
 * @param untilReady Whether the delay begins with its first commit, and not already with its start.
 * @returns The last commit that it told as done; undefined if it had told nothing.
 */
async function writeAndKill(folder: string, untilReady: boolean, delayMs: number): Promise<number | undefined> {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "store-writer.ts"), folder],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let told = "";
  let complaint = "";
  child.stdout.on("data", (chunk) => {
    told += chunk;
  });
  child.stderr.on("data", (chunk) => {
    complaint += chunk;
  });
  if (untilReady) {
    await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  }
  await sleep(delayMs);
  child.kill("SIGKILL");
  await once(child, "close");
  assert.equal(complaint, "", "the writer failed by itself");
  // A line that the kill cut was not told.
  const lines = told.split("\n").slice(0, -1);
  return lines.length === 0 ? undefined : Number(lines.at(-1));
}

test(`REQ-01 no acknowledged commit is lost and none is half there after kill -9 (${ROUNDS} rounds)`, async (t) => {
  const random = seeded();
  t.diagnostic(`seed ${random.seed}`);
  const root = mkdtempSync(join(tmpdir(), "bunkms-store-kill-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  let folder = root;
  let acknowledged = 0;
  let total = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round % ROUNDS_PER_FOLDER === 0) {
      rmSync(folder, { recursive: true, force: true });
      folder = join(root, `${round}`);
      total += acknowledged;
      acknowledged = 0;
    }
    const atStart = random.below(4) === 0;
    const told = await writeAndKill(folder, !atStart, random.below(150));
    acknowledged = told ?? acknowledged;
    const context = `seed ${random.seed}, round ${round}`;
    // That it opens at all is REQ-02: no state that a crash leaves may be taken for damage.
    const store = await openSqliteStore(folder);
    const head = await headOf(store);
    const mayBe = told === undefined ? head - acknowledged >= 0 : head === told || head === told + 1;
    assert.ok(mayBe, `${context}: ${acknowledged} commits were acknowledged, and the store has ${head}`);
    await assertHolds(store, head, context);
    await store.close();
    acknowledged = head;
  }
  t.diagnostic(`${total + acknowledged} commits`);
});
