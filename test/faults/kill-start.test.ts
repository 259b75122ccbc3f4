import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ServerOptions, startServer } from "../harness/server.ts";
import { readTrail } from "../requirements/audit-trail.ts";
import { restTransport } from "../requirements/operation-call.ts";
import { makeObjects } from "../requirements/sample-requests.ts";
import { runServer } from "../requirements/server-run.ts";
import { readContent } from "../requirements/vault-content.ts";
import { seeded } from "../vectors/seeded.ts";

const ROUNDS = process.env["BUNKMS_SOAK"] === "1" ? 200 : 8;
/** A start takes about this long, more on a busy machine: kills fall into all of its phases. */
const START_MS = 450;
const EARLIEST_MS = 60;

let folder: string;
let env: Readonly<Record<string, string>>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-kill-start-"));
  const keyFile = join(folder, "master.key");
  await writeFile(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  env = { BUNKMS_MASTER_KEY_FILE: keyFile };
});

after(() => rm(folder, { recursive: true, force: true }));

for (const dev of [true, false]) {
  const mode = dev ? "development" : "production";

  test(`REQ-01 REQ-02 kill -9 during the very first start in ${mode} mode leaves a whole vault or none`, async (t) => {
    const random = seeded();
    t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
    for (let round = 0; round < ROUNDS; round++) {
      const dataPath = join(folder, `${mode}-${round}`);
      const options = { args: dev ? ["--dev"] : [], env: dev ? {} : env };
      const killAfterMs = EARLIEST_MS + random.below(START_MS);
      const killed = await runServer(dataPath, { ...options, killAfterMs });
      assert.equal(killed.end, "SIGKILL", killed.output);
      const rootToken = await findRootToken(dataPath, killed.output, options);
      const server = await startServer({ dev, dataPath, env: options.env });
      const rest = restTransport(server.url);
      try {
        const token = server.rootToken || rootToken;
        await makeObjects(rest, token, "made");
        const { entries } = await readTrail(rest, token);
        const first = entries.filter(({ operation }) => operation === "system.initialise");
        assert.equal(first.length, 1, `killed after ${killAfterMs} ms`);
      } finally {
        rest.close();
        await server.remove();
        await rm(dataPath, { recursive: true, force: true });
      }
    }
  });
}

/** The killed start may have made the vault and not come to tell its root token: then another is made, as documented. */
async function findRootToken(dataPath: string, output: string, options: ServerOptions): Promise<string> {
  const printed = /^Root token {2}(\S+)$/m;
  const told = printed.exec(output)?.[1];
  if (told !== undefined || existsSync(join(dataPath, "root-token"))) {
    return told ?? "";
  }
  const { args = [], env: settings = {} } = options;
  const { output: made } = await runServer(dataPath, { args: ["new-root-token", ...args], env: settings });
  const token = printed.exec(made)?.[1];
  // Without a vault there is none to be had, and the next start makes the vault with its token.
  assert.ok(token !== undefined || /there is no vault/.test(made), made);
  return token ?? "";
}

test("REQ-01 REQ-02 kill -9 during later starts changes nothing, however often", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  const dataPath = join(folder, "later");
  const first = await startServer({ dev: false, dataPath, env });
  const { rootToken } = first;
  const before = restTransport(first.url);
  await makeObjects(before, rootToken, "made");
  const content = await readContent(before, rootToken);
  const { entries } = await readTrail(before, rootToken);
  before.close();
  await first.remove();

  let told = 0;
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const killed = await runServer(dataPath, { env, killAfterMs: EARLIEST_MS + random.below(START_MS) });
    assert.equal(killed.end, "SIGKILL", killed.output);
    told += Number(killed.output.includes("REST "));
  }
  const last = await startServer({ dev: false, dataPath, env });
  const rest = restTransport(last.url);
  try {
    assert.deepEqual(await readContent(rest, rootToken), content);
    const trail = await readTrail(rest, rootToken);
    assert.equal(trail.entries.length, trail.size);
    assert.deepEqual(trail.entries.slice(-entries.length), entries);
    const starts = trail.entries.filter(({ operation }) => operation === "system.unseal").length;
    assert.ok(starts > told && starts <= 2 * ROUNDS + 1, `${starts} starts recorded, ${told} told of themselves`);
  } finally {
    rest.close();
    await last.remove();
  }
});
