import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

const CALLERS = 64;

let server: TestServer;
let transports: readonly Transport[];

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
  transports = bothTransports(server);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

/** One call, the i-th over REST or gRPC in turn. */
function call(i: number, action: string, request: Record<string, string>): Promise<Answer> {
  const transport = transports[i % transports.length] as Transport;
  return transport.call(operationOf(action), request, { token: server.rootToken, requestId: `${action}-${i}` });
}

/** All at once. */
function callAll(
  request: (i: number) => readonly [action: string, request: Record<string, string>],
): Promise<Answer[]> {
  return Promise.all(Array.from({ length: CALLERS }, (_, i) => call(i, ...request(i))));
}

test("COSMIAN-2026-011 of 64 concurrent creators of one name exactly one wins", async () => {
  const answers = await callAll((i) => ["keys.create", { name: "one", type: i % 8 === 0 ? "ecdsa-p256" : "aes-256" }]);
  const winners = answers.filter(({ code }) => code === "ok");
  assert.equal(winners.length, 1);
  assert.equal(answers.filter(({ code }) => code === "already_exists").length, CALLERS - 1);
  const key = await call(0, "keys.get", { name: "one" });
  assert.deepEqual(key.value, winners[0]?.value);
});

test("COSMIAN-2026-011 64 concurrent rotations make 64 versions, and each caller is told another one", async () => {
  await call(0, "keys.create", { name: "turning" });
  const answers = await callAll(() => ["keys.rotate", { name: "turning" }]);
  assert.deepEqual(
    answers.map(({ code }) => code).filter((code) => code !== "ok"),
    [],
  );
  const told = answers.map(({ value }) => value["latest_version"] as number).toSorted((a, b) => a - b);
  assert.deepEqual(
    told,
    Array.from({ length: CALLERS }, (_, i) => i + 2),
  );
  const key = await call(0, "keys.get", { name: "turning" });
  assert.equal((key.value["versions"] as unknown[]).length, CALLERS + 1);
});

test("COSMIAN-2026-011 64 concurrent values of one secret become 64 versions, and the last is what is read", async () => {
  const answers = await callAll((i) => ["secrets.put", { name: "many/values", value: `value ${i}` }]);
  assert.deepEqual(
    answers.map(({ code }) => code).filter((code) => code !== "ok"),
    [],
  );
  const versions = answers.map(({ value }) => value["version"] as number);
  assert.deepEqual(
    versions.toSorted((a, b) => a - b),
    Array.from({ length: CALLERS }, (_, i) => i + 1),
  );
  const read = await call(0, "secrets.get", { name: "many/values" });
  assert.equal(read.value["value"], `value ${versions.indexOf(CALLERS)}`);
});

test("COSMIAN-2026-011 of 64 concurrent deletions of one secret exactly one is told that it deleted", async () => {
  await call(0, "secrets.put", { name: "once", value: "x" });
  const answers = await callAll(() => ["secrets.delete", { name: "once" }]);
  assert.equal(answers.filter(({ code }) => code === "ok").length, 1);
  assert.equal(answers.filter(({ code }) => code === "not_found").length, CALLERS - 1);
});

test("COSMIAN-2026-011 of 64 concurrent revocations of one token exactly one is told that it revoked", async () => {
  const { value } = await call(0, "tokens.create", { display_name: "brief", role: "reader" });
  const answers = await callAll(() => ["tokens.revoke", { id: String(value["id"]) }]);
  assert.equal(answers.filter(({ code }) => code === "ok").length, 1);
  assert.equal(answers.filter(({ code }) => code === "not_found").length, CALLERS - 1);
});

test("COSMIAN-2026-011 values stored while the secret is deleted leave one whole secret or none", async () => {
  for (let round = 0; round < 4; round++) {
    const answers = await callAll((i) =>
      i % 3 === 0
        ? ["secrets.delete", { name: "fought/over" }]
        : ["secrets.put", { name: "fought/over", value: `${i}` }],
    );
    for (const { code } of answers) {
      assert.ok(code === "ok" || code === "not_found", code);
    }
    const read = await call(1, "secrets.get", { name: "fought/over" });
    assert.ok(read.code === "ok" || read.code === "not_found", `${read.code}: ${read.text}`);
    const listed = await call(0, "secrets.list", { prefix: "fought/" });
    assert.equal((listed.value["secrets"] as unknown[]).length, read.code === "ok" ? 1 : 0);
  }
});

test("REQ-32 every racer, winner or loser, is in the audit log just once with its own outcome", async () => {
  const answers = await callAll((i) => ["keys.create", { name: `pair-${i >> 1}` }]);
  const { entries } = await readTrail(transports[0] as Transport, server.rootToken);
  for (const [i, { code }] of answers.entries()) {
    const mine = entries.filter(
      (entry) => entry.request_id === `keys.create-${i}` && entry.resource === `key/pair-${i >> 1}`,
    );
    assert.deepEqual(
      mine.map(({ outcome }) => outcome),
      [code],
    );
  }
});
