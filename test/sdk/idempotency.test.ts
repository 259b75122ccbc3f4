import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createClient, type Fetch } from "@bunkms/client";
import { startServer, type TestServer } from "../harness/server.ts";

let server: TestServer;

before(async () => {
  server = await startServer();
});

after(() => server.remove());

/** A network that loses the first answers: the server has done the call, and the caller does not learn it. */
function losing(answers: number): Fetch {
  let lost = 0;
  return async (url, init) => {
    const response = await fetch(url, init);
    if (lost < answers) {
      lost += 1;
      await response.arrayBuffer();
      throw new TypeError("fetch failed", { cause: Object.assign(new Error("lost"), { code: "ECONNRESET" }) });
    }
    return response;
  };
}

describe("a change whose answer was lost", () => {
  test("is done once, and answered as the first time", async () => {
    const options = { url: server.url, token: server.rootToken, retry: { firstPauseMs: 1 } };
    const client = createClient({ ...options, fetch: losing(2) });
    const created = await client.keys.createKey({ name: "created" });
    assert.equal(created.latestVersion, 1);
    const rotated = await createClient({ ...options, fetch: losing(2) }).keys.rotateKey({ name: "created" });
    assert.equal(rotated.latestVersion, 2);
  });

  test("is done once, and said to be done, where the answer was a secret that the server does not keep", async () => {
    const options = { url: server.url, token: server.rootToken, retry: { firstPauseMs: 1 } };
    const request = { displayName: "once", role: "reader" };
    await assert.rejects(createClient({ ...options, fetch: losing(1) }).tokens.createToken(request), {
      code: "already_done",
    });
    const { tokens } = await createClient(options).tokens.listTokens({});
    assert.equal(tokens.filter(({ displayName }) => displayName === "once").length, 1);
  });

  for (const way of ["REST", "gRPC"] as const) {
    test(`is done once under a key of the caller's own, also by another client over ${way}`, async () => {
      const url = way === "REST" ? server.url : `grpc://${server.grpcAddr}`;
      const name = `own-${way}`;
      const idempotencyKey = `job-${way}`;
      const keys = [];
      for (let turn = 0; turn < 2; turn++) {
        const client = createClient({ url, token: server.rootToken });
        keys.push(await client.keys.createKey({ name }, { idempotencyKey }));
        client.close();
      }
      assert.deepEqual(keys[1], keys[0]);
      const client = createClient({ url, token: server.rootToken });
      await assert.rejects(client.keys.createKey({ name: `${name}-2` }, { idempotencyKey }), {
        code: "idempotency_mismatch",
        httpStatus: 422,
      });
      await assert.rejects(client.keys.createKey({ name }), { code: "already_exists" });
      client.close();
    });
  }
});
