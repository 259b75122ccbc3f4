import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fakeServer, runLine } from "../test-bed.ts";

const page = (entries: readonly object[], next: string, pruned: string) =>
  [200, { entries, next_page_token: next, tree_size: "2000", root_hash_b64: "", pruned }] as const;
const ENTRY = { index: "1", time: "2026-02-03T04:05:06Z", operation: "keys.create", outcome: "ok", transport: "local" };

describe("bunkms audit list", () => {
  test("says which entries it could not look at since they were pruned", async () => {
    await using server = await fakeServer({ "GET /v1/audit/entries": page([ENTRY], "", "768") });
    const { code, stderr } = await runLine(["audit", "list"], server.url);
    assert.equal(code, 0);
    assert.match(stderr, /^Not looked at: entries before 768, which were pruned\. .*bunkms audit export/);
  });

  test("says nothing of it before the end, or when nothing was pruned", async () => {
    for (const [next, pruned, expected] of [
      ["MQ", "768", /^There is more: .* MQ\n$/],
      ["", "0", /^$/],
    ] as const) {
      await using server = await fakeServer({ "GET /v1/audit/entries": page([ENTRY], next, pruned) });
      assert.match((await runLine(["audit", "list", "--limit", "1"], server.url)).stderr, expected);
    }
  });

  test("refuses a range of time that is none", async () => {
    for (const until of ["1h", "2h", "2026-02-03T03:05:06Z"]) {
      const { code, stderr } = await runLine(
        ["audit", "list", "--since", "1h", "--until", until],
        "http://127.0.0.1:1",
      );
      assert.equal(code, 2, until);
      assert.match(stderr, /--until is not after --since/);
    }
  });

  test("shows a line end within a field as an escape: it would make a row", async () => {
    await using server = await fakeServer({
      "GET /v1/audit/entries": page([{ ...ENTRY, resource: "key/a\n9  forged" }], "", "0"),
    });
    assert.match((await runLine(["audit", "list"], server.url)).stdout, /^1 .* key\/a\\n9 {2}forged/m);
  });
});
