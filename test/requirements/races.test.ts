import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
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
function call(i: number, action: string, request: JsonObject): Promise<Answer> {
  const transport = transports[i % transports.length] as Transport;
  return transport.call(operationOf(action), request, { token: server.rootToken, requestId: `${action}-${i}` });
}

/** All at once. */
function callAll(request: (i: number) => readonly [action: string, request: JsonObject]): Promise<Answer[]> {
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

test("COSMIAN-2026-011 of 64 concurrent steps of one kind exactly one is told that it was its own", async () => {
  await call(0, "keys.create", { name: "stepped" });
  for (const [action, state] of [
    ["keys.disable", "disabled"],
    ["keys.enable", "enabled"],
    ["keys.schedule_deletion", "pending_deletion"],
    ["keys.cancel_deletion", "disabled"],
  ] as const) {
    const answers = await callAll(() => [action, { name: "stepped" }]);
    assert.equal(answers.filter(({ code }) => code === "ok").length, 1, action);
    assert.equal(answers.filter(({ code }) => code === "wrong_key_state").length, CALLERS - 1, action);
    assert.equal((await call(0, "keys.get", { name: "stepped" })).value["state"], state);
  }
});

test("COSMIAN-2026-011 of two schedulers with different windows the first one's stands, and the other is told so", async () => {
  for (let round = 0; round < 16; round++) {
    const name = `scheduled-${round}`;
    await call(0, "keys.create", { name });
    const answers = await Promise.all(
      [7, 30].map((days, i) => call(i + round, "keys.schedule_deletion", { name, window_days: days })),
    );
    const won = answers.findIndex(({ code }) => code === "ok");
    assert.deepEqual(answers.map(({ code }) => code).toSorted(), ["ok", "wrong_key_state"]);
    const key = await call(0, "keys.get", { name });
    assert.equal(key.value["deletion_at"], answers[won]?.value["deletion_at"]);
  }
});

test("COSMIAN-2026-011 rotations, settings, states and versions that change at the same time leave one whole key", async () => {
  await call(0, "keys.create", { name: "fought" });
  const answers = await callAll((i) => {
    const steps: readonly (readonly [string, JsonObject])[] = [
      ["keys.rotate", {}],
      ["keys.update", { description: `by ${i}`, tags: { [`t${i % 16}`]: `${i}` } }],
      ["keys.disable", {}],
      ["keys.enable", {}],
      ["keys.disable_version", { version: 1 }],
      ["keys.enable_version", { version: 1 }],
      ["keys.schedule_deletion", {}],
      ["keys.cancel_deletion", {}],
    ];
    const [action, more] = steps[i % steps.length] as readonly [string, JsonObject];
    return [action, { name: "fought", ...more }];
  });
  const done = answers.filter(({ code }) => code === "ok").length;
  for (const { code, text } of answers) {
    assert.ok(code === "ok" || code === "wrong_key_state", `${code}: ${text}`);
  }
  assert.ok(done >= CALLERS / 8);
  const { value } = await call(0, "keys.get", { name: "fought" });
  const versions = value["versions"] as { version: number }[];
  assert.deepEqual(
    versions.map(({ version }) => version),
    Array.from({ length: value["latest_version"] as number }, (_, i) => i + 1),
  );
  const rotated = answers.filter(({ code }, i) => code === "ok" && i % 8 === 0).length;
  assert.equal(value["latest_version"], 1 + rotated);
  const tagged = new Set(answers.flatMap(({ code }, i) => (code === "ok" && i % 8 === 1 ? [`t${i % 16}`] : [])));
  assert.deepEqual(Object.keys(value["tags"] as JsonObject).toSorted(), [...tagged].toSorted());
});

test("COSMIAN-2026-011 of 64 concurrent moves of an alias each is done, and the last one is where it leads", async () => {
  for (let i = 0; i < 8; i++) {
    await call(i, "keys.create", { name: `target-${i}` });
  }
  const answers = await callAll((i) => ["aliases.set", { alias: "moved", key_name: `target-${i % 8}` }]);
  assert.deepEqual(
    answers.map(({ code }) => code).filter((code) => code !== "ok"),
    [],
  );
  for (const [i, { value }] of answers.entries()) {
    assert.equal(value["key_name"], `target-${i % 8}`);
  }
  const { entries } = await readTrail(transports[0] as Transport, server.rootToken);
  const last = entries.find(({ operation }) => operation === "aliases.set");
  const { value } = await call(0, "aliases.get", { alias: "moved" });
  assert.equal(value["key_name"], last?.request["key_name"]);
  const deletions = await callAll(() => ["aliases.delete", { alias: "moved" }]);
  assert.equal(deletions.filter(({ code }) => code === "ok").length, 1);
  assert.equal(deletions.filter(({ code }) => code === "not_found").length, CALLERS - 1);
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
