import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { ERRORS } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

let folder: string;
let server: TestServer;
let transports: readonly [Transport, Transport];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-room-"));
  server = await startServer({ args: ["--audit-max-size", "1MiB", "--audit-archive", join(folder, "archive")] });
  transports = bothTransports(server);
});

after(async () => {
  closeAll(transports);
  await server.remove();
  await rm(folder, { recursive: true });
});

function call(action: string, request: JsonObject = {}, token: string | undefined = server.rootToken): Promise<Answer> {
  return transports[0].call(operationOf(action), request, { token });
}

test("REQ-05 REQ-32 a full log refuses rather than forgets, until it is archived and pruned", async () => {
  assert.equal((await call("keys.create", { name: "k" })).code, "ok");
  const reader = (await call("tokens.create", { display_name: "reader", role: "reader" })).value["token"] as string;
  let refused: Answer | undefined;
  for (let round = 0; round < 100 && refused === undefined; round++) {
    const answers = await Promise.all(Array.from({ length: 64 }, () => call("keys.get", { name: "k" })));
    refused = answers.find(({ code }) => code !== "ok");
  }
  assert.deepEqual([refused?.code, refused?.status], ["audit_full", ERRORS.audit_full.http]);
  const full = (await call("audit.retention")).value;
  assert.ok(Number(full["stored_bytes"]) >= 1024 * 1024);
  // Nothing makes it grow: neither who has a token, nor who has none, nor what does not exist.
  for (const [at, transport] of transports.entries()) {
    for (const [action, token] of [
      ["keys.get", server.rootToken],
      ["keys.create", server.rootToken],
      ["keys.get", "nonsense"],
      ["keys.get", undefined],
      ["audit.list", reader],
      ["audit.checkpoint", reader],
      ["audit.prune", reader],
      ["seals.seal", reader],
    ] as const) {
      const request = action.startsWith("keys.") ? { name: "k" } : {};
      const { code, status } = await transport.call(operationOf(action), request, { token });
      assert.deepEqual([code, status], ["audit_full", at === 0 ? ERRORS.audit_full.http : ERRORS.audit_full.grpc]);
    }
  }
  assert.equal((await fetch(`${server.url}/v1/nonsense`)).status, ERRORS.audit_full.http);
  assert.equal((await fetch(`${server.url}/ready`)).status, ERRORS.audit_full.http);
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  const grown = Number((await call("audit.retention")).value["stored_bytes"]) - Number(full["stored_bytes"]);
  assert.ok(grown < 2000, `${grown} bytes more`);
  assert.equal((await call("audit.archive", {}, "nonsense")).code, "unauthenticated");

  const { end } = (await call("audit.archive")).value;
  assert.ok(Number(end) >= 256);
  assert.equal((await call("keys.get", { name: "k" })).code, "audit_full");
  assert.equal((await call("audit.prune", { before: end as string })).code, "ok");
  assert.equal((await call("keys.get", { name: "k" })).code, "ok");
  assert.equal((await fetch(`${server.url}/ready`)).status, 200);
});
