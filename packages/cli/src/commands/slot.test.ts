import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { errorAnswer, fakeServer, runLine, testsInFolder } from "../test-bed.ts";

const SHAMIR_ID = "0a".repeat(16);
const ENV_ID = "0b".repeat(16);
const slot = (id: string, kind: string, more: object) => ({
  id,
  kind,
  key_name: `the key of ${kind}`,
  created_at: "2026-01-02T03:04:05.678Z",
  state: "opens",
  ...more,
});
const SHAMIR = slot(SHAMIR_ID, "shamir", { state: "shares", secret_shares: 2, secret_threshold: 2 });
const ENV = slot(ENV_ID, "env", {});
const SHARES = ["bkms1-a", "bkms1-b"];

const inFolder = testsInFolder(() =>
  fakeServer({
    "GET /v1/sys/slots": [200, { slots: [SHAMIR, ENV] }],
    "POST /v1/sys/slots": ({ body }) =>
      JSON.parse(body).kind === "env" ? [201, { slot: ENV }] : [201, { slot: SHAMIR, shares: SHARES }],
    [`DELETE /v1/sys/slots/${ENV_ID}`]: [200, {}],
    [`POST /v1/sys/slots/${SHAMIR_ID}/rewrap`]: [200, { slot: SHAMIR, shares: SHARES }],
    [`POST /v1/sys/slots/${ENV_ID}/rewrap`]: [200, { slot: ENV }],
  }),
);

describe("bunkms slot", () => {
  inFolder("list shows each slot and how it is opened", async ({ run }) => {
    const lines = (await run(["slot", "list"])).stdout.split("\n");
    assert.match(lines[0] ?? "", /^ID +KIND +STATE +SHARES +CREATED +KEY$/);
    assert.match(lines[1] ?? "", new RegExp(`^${SHAMIR_ID} +shamir +shares +2 of 2 +2026-01-02T03:04:05Z +the key`));
    assert.match(lines[2] ?? "", new RegExp(`^${ENV_ID} +env +opens +- `));
  });

  inFolder("add prints the slot, and its shares if it has some", async ({ run, server }) => {
    const env = await run(["slot", "add", "env"]);
    assert.doesNotMatch(env.stdout + env.stderr, /share 1/);
    const shamir = await run(["slot", "add", "shamir", "--shares", "2", "--threshold", "2"]);
    assert.match(shamir.stdout, /\n\nshare 1 {2}bkms1-a\nshare 2 {2}bkms1-b\n$/);
    assert.match(shamir.stderr, /^The shares are shown this once/);
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      [{ kind: "env" }, { kind: "shamir", secret_shares: 2, secret_threshold: 2 }],
    );
  });

  inFolder("add and rewrap refuse shares for a seal that has none", async ({ run, server }) => {
    assert.equal((await run(["slot", "add", "env", "--shares", "2"])).code, 2);
    assert.equal((await run(["slot", "rewrap", ENV_ID, "--out-folder", "x"])).code, 2);
    assert.ok(server.seen.every(({ method }) => method === "GET"));
  });

  inFolder("rewrap makes as many shares as before unless told otherwise", async ({ run, path, server }) => {
    const before = await run(["slot", "rewrap", SHAMIR_ID, "--out-folder", path("out"), "--json"]);
    assert.deepEqual(JSON.parse(before.stdout).files, [path("out/share-1.txt"), path("out/share-2.txt")]);
    assert.deepEqual(readdirSync(path("out")), ["share-1.txt", "share-2.txt"]);
    await run(["slot", "rewrap", SHAMIR_ID, "--shares", "7"]);
    await run(["slot", "rewrap", ENV_ID]);
    assert.deepEqual(
      server.seen.filter(({ method }) => method === "POST").map(({ body }) => JSON.parse(body)),
      [{ secret_shares: 2, secret_threshold: 2 }, { secret_shares: 7, secret_threshold: 2 }, {}],
    );
  });

  inFolder("rewrap of a slot that there is not tells where they are listed", async ({ run }) => {
    const outcome = await run(["slot", "rewrap", "0".repeat(32)]);
    assert.equal(outcome.code, 4);
    assert.match(outcome.stderr, /no seal slot of this id\n {2}Slots are listed by "bunkms slot list"/);
  });

  for (const [answer, code] of [
    ["y\n", 0],
    ["\n", 2],
    ["", 2],
  ] as const) {
    inFolder(`remove asks on a terminal, and ${JSON.stringify(answer)} gives ${code}`, async ({ run, server }) => {
      const outcome = await run(["slot", "remove", ENV_ID], { terminal: true, stdin: answer });
      assert.equal(outcome.code, code);
      assert.match(outcome.stderr, new RegExp(`^Remove slot ${ENV_ID} \\(env, the key of env\\)\\? `));
      assert.equal(server.seen.filter(({ method }) => method === "DELETE").length, code === 0 ? 1 : 0);
    });
  }

  inFolder("remove needs --yes where nobody can be asked", async ({ run, server }) => {
    assert.equal((await run(["slot", "remove", ENV_ID])).code, 2);
    assert.equal(server.seen.length, 0);
    assert.equal((await run(["slot", "remove", ENV_ID, "--yes"])).stdout, `${ENV_ID} removed\n`);
  });

  test("remove of the last slot is refused with what to do first", async () => {
    await using server = await fakeServer({ [`DELETE /v1/sys/slots/${ENV_ID}`]: errorAnswer(409, "last_slot") });
    const outcome = await runLine(["slot", "remove", ENV_ID, "--yes"], server.url);
    assert.equal(outcome.code, 5);
    assert.match(outcome.stderr, /Add another slot first: "bunkms slot add KIND"\.\n$/);
  });
});
