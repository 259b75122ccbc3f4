import assert from "node:assert/strict";
import { describe } from "node:test";
import { fakeServer, testsInFolder } from "../test-bed.ts";

const HOLD = { name: "case-7", reason: "a dispute", from: "512", until: "0", created_at: "2026-01-02T03:04:05Z" };

const inFolder = testsInFolder(() => {
  let calls = 0;
  return fakeServer({
    "GET /v1/audit/retention": [
      200,
      { size: "900", stored_bytes: "4000", max_bytes: "0", archived: "768", pruned: "256", holds: [HOLD] },
    ],
    "POST /v1/audit/archive": () => {
      calls += 1;
      return [
        200,
        { first: "0", end: "256", manifest: `manifest-${calls}.json`, manifest_sha256: "ab", more: calls === 1 },
      ];
    },
    "POST /v1/audit/prune": ({ body }) => [200, { pruned: JSON.parse(body).before }],
    "PUT /v1/audit/holds/case-7": [200, HOLD],
    "DELETE /v1/audit/holds/case-7": [200, {}],
  });
});

describe("bunkms audit", () => {
  inFolder("retention shows how far the log is archived and pruned, and its holds", async ({ run }) => {
    const { code, stdout } = await run(["audit", "retention"]);
    assert.equal(code, 0);
    for (const line of [/^entries +900$/m, /^archived before +768$/m, /^pruned before +256$/m, /^limit +-$/m]) {
      assert.match(stdout, line);
    }
    assert.match(stdout, /^case-7 +512 +- +2026-01-02T03:04:05Z +a dispute$/m);
  });

  inFolder("archive goes on until there is no more", async ({ run, server }) => {
    const { code, stdout } = await run(["audit", "archive"]);
    assert.equal(code, 0);
    assert.equal(server.seen.length, 2);
    assert.match(stdout, /^entries 0 to 255 are in the archive$/m);
    assert.match(stdout, /^manifest-2.json {2}sha256 ab$/m);
  });

  inFolder("prune is told up to where, by a whole number", async ({ run, server }) => {
    for (const argv of [
      ["prune"],
      ["prune", "--before", "x"],
      ["prune", "--before", "-1"],
      ["prune", "--before", "0"],
      ["archive", "--before", "0"],
      ["hold", "a", "--from", "1e3"],
      ["hold", "a", "--from", "5", "--until", "5"],
      ["hold", "a", "--until", "0"],
    ]) {
      assert.equal((await run(["audit", ...argv])).code, 2);
    }
    assert.equal(server.seen.length, 0);
    assert.match((await run(["audit", "prune", "--before", "512"])).stdout, /before 512 /);
  });

  inFolder("a hold is set and released", async ({ run, server }) => {
    const set = ["audit", "hold", "case-7", "--from", "512", "--reason", "a dispute"];
    assert.match((await run(set)).stdout, /^case-7 +512 +-/m);
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { from: "512", reason: "a dispute" });
    assert.equal((await run(["audit", "release-hold", "case-7"])).code, 0);
    const gone = await run(["audit", "release-hold", "case-8"]);
    assert.deepEqual([gone.code, /Holds are shown by "bunkms audit retention"/.test(gone.stderr)], [4, true]);
  });
});
