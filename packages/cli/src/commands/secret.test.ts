import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { fakeServer, testsInFolder } from "../test-bed.ts";

const inFolder = testsInFolder(() => fakeServer({ "POST /v1/secrets": [201, { name: "s", version: 1 }] }));

inFolder("bunkms secret put stores an empty value only when it is told so", async ({ run, path, server }) => {
  writeFileSync(path("empty"), "");
  for (const argv of [[], ["--in", "-"], ["--in", path("empty")]]) {
    const { code, stdout, stderr } = await run(["secret", "put", "s", ...argv]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^bunkms: the value is empty; nothing was stored\n.*: --allow-empty\.\n$/);
    assert.equal(server.seen.length, 0);
    assert.equal((await run(["secret", "put", "s", "--allow-empty", ...argv])).code, 0);
    assert.equal(JSON.parse(server.seen.pop()?.body ?? "").value_b64, "");
  }
});
