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
      assert.match(stderr, /the log has 9 entries, fewer than 10/);
    }
  });
});
