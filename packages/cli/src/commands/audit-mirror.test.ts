import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { describe } from "node:test";
import { fakeServer, testsInFolder } from "../test-bed.ts";

const inFolder = testsInFolder(() => fakeServer({ "GET /v1/audit/keys": [200, { origin: "log", keys: [] }] }));

describe("bunkms audit mirror", () => {
  inFolder("whose hand-overs the server has not is of another log, or of one that was set back", async (given) => {
    const { run, path, server } = given;
    mkdirSync(path("mirror"));
    writeFileSync(path("mirror/handovers"), "bunkms audit key handover v1\n");
    const { code, stderr } = await run(["audit", "mirror", path("mirror"), "--key", "x"]);
    assert.equal(code, 8);
    assert.match(
      stderr,
      /do not begin with those in .*mirror: it is the mirror of another log, or the log was set back\n$/,
    );
    assert.equal(server.seen.length, 1);
  });
});
