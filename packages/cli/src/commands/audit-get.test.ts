import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fakeServer, runLine } from "../test-bed.ts";

describe("bunkms audit get", () => {
  test("gives a terminal nothing that it would obey, neither from values nor from names", async () => {
    const entry = { v: 1, operation: "keys.create", request: { resource: "a\u009b2J\u202eb", "c\u001b[2J\nd": "e" } };
    const answer = { index: "7", entry_b64: Buffer.from(JSON.stringify(entry)).toString("base64") };
    await using server = await fakeServer({ "GET /v1/audit/receipts/7": [200, answer] });
    const { code, stdout, stderr } = await runLine(["audit", "get", "7"], server.url, { terminal: true });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^request\.resource +a\\x9b2J\\u202eb$/m);
    assert.match(stdout, /^request\.c\\x1b\[2J\\nd +e$/m);
    const json = (await runLine(["audit", "get", "7", "--json"], server.url, { terminal: true })).stdout;
    assert.ok(!["\u001b", "\u009b", "\u202e"].some((character) => json.includes(character)), json);
    assert.deepEqual(JSON.parse(json), { index: 7, entry });
    const bytes = (await runLine(["audit", "get", "7", "--json"], server.url)).stdout;
    assert.equal(bytes, `{"index":7,"entry":${JSON.stringify(entry)}}\n`);
  });
});
