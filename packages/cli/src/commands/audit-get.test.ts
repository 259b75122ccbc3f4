import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { errorAnswer, fakeServer, runLine } from "../test-bed.ts";

describe("bunkms audit get and receipt", () => {
  test("say where indexes and the log's size are shown when there is no such entry, and what tells more of damage", async () => {
    await using server = await fakeServer({
      "GET /v1/audit/receipts/1": errorAnswer(404, "not_found"),
      "GET /v1/audit/receipts/2": errorAnswer(500, "vault_damaged"),
    });
    for (const command of ["get", "receipt"]) {
      const gone = await runLine(["audit", command, "1"], server.url);
      assert.equal(gone.code, 4);
      assert.match(gone.stderr, /\n {2}Indexes are shown by "bunkms audit list", .*"bunkms audit retention"\.\n$/);
      const damaged = await runLine(["audit", command, "2"], server.url);
      assert.equal(damaged.code, 7);
      assert.match(damaged.stderr, /"bunkms audit verify".*docs\/operating\.md/);
    }
  });
});

describe("bunkms audit get", () => {
  test("gives a terminal nothing that it would obey, neither from values nor from names", async () => {
    const entry = {
      v: 1,
      operation: "keys.create",
      request: { resource: "a\u009b2J\u202e\u061cb", "c\u001b[2J\nd": "e" },
    };
    const answer = { index: "7", entry_b64: Buffer.from(JSON.stringify(entry)).toString("base64") };
    await using server = await fakeServer({ "GET /v1/audit/receipts/7": [200, answer] });
    const { code, stdout, stderr } = await runLine(["audit", "get", "7"], server.url, { terminal: true });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^request\.resource +a\\x9b2J\\u202e\\u061cb$/m);
    assert.match(stdout, /^request\.c\\x1b\[2J\\nd +e$/m);
    const json = (await runLine(["audit", "get", "7", "--json"], server.url, { terminal: true })).stdout;
    assert.ok(!["\u001b", "\u009b", "\u202e", "\u061c"].some((character) => json.includes(character)), json);
    assert.deepEqual(JSON.parse(json), { index: 7, entry });
    const bytes = (await runLine(["audit", "get", "7", "--json"], server.url)).stdout;
    assert.equal(bytes, `{"index":7,"entry":${JSON.stringify(entry)}}\n`);
  });
});
