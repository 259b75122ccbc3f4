import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { seeded } from "../vectors/seeded.ts";
import { finished, folderDigest, MigrationTrial } from "./migration.ts";

const COUNT = 30;
const KILLS = 4;

let trial: MigrationTrial;

before(async () => {
  trial = await MigrationTrial.start();
  await trial.withGo(async (go) => {
    // In the order of their names: else a page of the Go server runs over.
    const numbers = Array.from({ length: COUNT }, (_, i) => String(i).padStart(3, "0"));
    for (const number of numbers) {
      await go.post("/v1/keys", { name: `key-${number}` });
    }
    for (const number of numbers) {
      await go.post("/v1/secrets", { name: `secret-${number}`, value: `value ${number}` });
    }
  });
});

after(() => trial.end());

test("a migration that is killed at any moment is just done again, and ends with everything once", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const digest = folderDigest(trial.data);
  const options = ["--audit-log", trial.auditLog, "--yes", "--json"];
  const counts: number[] = [];
  let killed = 0;
  for (let i = 0; i < KILLS; i++) {
    const child = trial.begin(options);
    const end = finished(child);
    // From when it begins to change something on: that is seen by its first key.
    const target = Math.floor((COUNT * 2 * (i + random.below(100) / 100)) / KILLS);
    while (child.exitCode === null && (await made()) < target) {
      await sleep(5);
    }
    child.kill("SIGKILL");
    killed += (await end).code === null ? 1 : 0;
    counts.push(await made());
  }
  assert.ok(killed >= KILLS / 2, `${killed} were killed`);
  t.diagnostic(`after each kill: ${counts.join(", ")}`);
  const last = await trial.migrate(...options);
  assert.equal(last.code, 0, last.stderr);
  const { imported, conflicts, verified } = JSON.parse(last.stdout) as {
    imported: { keys: number; secrets: number };
    conflicts: unknown[];
    verified: { ciphertexts: number; secrets: number; mismatches: unknown[] };
  };
  assert.equal(imported.keys + imported.secrets, 2 * COUNT - (counts.at(-1) ?? 0));
  assert.deepEqual([conflicts, verified.mismatches], [[], []]);
  assert.deepEqual([verified.ciphertexts, verified.secrets], [COUNT, COUNT]);
  assert.equal(await made(), 2 * COUNT);
  const { body } = await trial.call("GET", "/v1/audit/entries?operation=keys.restore&outcome=ok&page_size=1000");
  assert.equal((body["entries"] as unknown[]).length, COUNT);
  assert.equal(folderDigest(trial.data), digest);
});

/** How many keys and secrets the server has. */
async function made(): Promise<number> {
  const [keys, secrets] = await Promise.all(
    ["keys", "secrets"].map(async (kind) => (await trial.call("GET", `/v1/${kind}?page_size=1000`)).body[kind]),
  );
  return (keys as unknown[]).length + (secrets as unknown[]).length;
}
