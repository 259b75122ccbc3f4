import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { errorAnswer, fakeServer, runLine } from "../test-bed.ts";

const status = (size: number) => [200, { size: String(size), quorum: "none" }] as const;

describe("bunkms audit follow", () => {
  test("ends when the log has fewer entries than it had, and does not wait for others in their place", async () => {
    for (const sizes of [[10, 9], [9]]) {
      let looks = 0;
      await using server = await fakeServer({
        "GET /v1/audit/status": () =>
          looks < sizes.length ? status(sizes[looks++] as number) : errorAnswer(401, "unauthenticated"),
      });
      const { code, stderr } = await runLine(["audit", "follow", "--from", "10"], server.url);
      assert.equal(code, 8, stderr);
      assert.match(stderr, /^bunkms: the log has 9 entries, fewer than 10\n {2}Unless --from is mistaken, /);
    }
  });

  test("says where to go on, unless the log does not have that entry", async () => {
    for (const [error, note, hint] of [
      [errorAnswer(401, "unauthenticated"), /^Ended before entry 5: go on there with --from 5\n/, /bunkms login/],
      [errorAnswer(404, "not_found"), /^bunkms: text of not_found/, /bunkms audit retention/],
    ] as const) {
      await using server = await fakeServer({
        "GET /v1/audit/status": () => status(10),
        "GET /audit/tile/entries/000.p/10": error,
      });
      const { stderr } = await runLine(["audit", "follow", "--from", "5"], server.url);
      assert.match(stderr, note);
      assert.match(stderr, hint);
    }
  });
});
