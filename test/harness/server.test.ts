import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { readPrinted, startServer } from "./server.ts";

test("a server of the harness serves, stops in order, and starts again on the same data with the same root token", async () => {
  const first = await startServer();
  try {
    assert.equal((await fetch(`${first.url}/ready`)).status, 200);
    assert.match(first.rootToken, /^bkms_/);
    assert.match(first.output(), /REST/);
    assert.equal(await first.stop(), 0);
    const again = await startServer({ dataPath: first.dataPath, configHome: first.configHome });
    try {
      assert.equal(again.rootToken, first.rootToken);
      await again.kill();
      await assert.rejects(fetch(`${again.url}/health`));
    } finally {
      await again.remove();
    }
    assert.ok(existsSync(first.dataPath));
  } finally {
    await first.remove();
  }
  assert.ok(!existsSync(first.dataPath));
});

test("a server that does not start is reported with what it said", async () => {
  await assert.rejects(startServer({ args: ["--no-such-flag"] }), /ended with 2 before it served\n.*--no-such-flag/s);
});

test("a production server gets its master key from the caller and prints its root token", async () => {
  const server = await startServer({ dev: false, env: { BUNKMS_MASTER_KEY: "11".repeat(32) } });
  try {
    const headers = { authorization: `Bearer ${server.rootToken}` };
    assert.equal((await fetch(`${server.url}/v1/tokens/self`, { headers })).status, 200);
    assert.match(server.grpcAddr, /^127\.0\.0\.1:\d+$/);
  } finally {
    await server.remove();
  }
});

test("what a server prints is not read before the lines of all its addresses are there whole", () => {
  const printed = "REST  http://127.0.0.1:40001\ngRPC  127.0.0.1:40002\nRPC   127.0.0.1:40003, without\nData  /data\n";
  for (let length = 0; length < printed.length; length += 1) {
    assert.equal(readPrinted(printed.slice(0, length)), undefined, `${length} characters`);
  }
  assert.deepEqual(readPrinted(printed), {
    ...{ url: "http://127.0.0.1:40001", grpcAddr: "127.0.0.1:40002", rootToken: "" },
  });
});
