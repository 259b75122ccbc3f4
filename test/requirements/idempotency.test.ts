import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

const CALLERS = 32;

let server: TestServer;
let transports: readonly [rest: Transport, grpc: Transport];
let token = "";

async function start(dataPath?: string): Promise<void> {
  server = await startServer({ args: ["--log-level", "warn"], ...(dataPath === undefined ? {} : { dataPath }) });
  transports = bothTransports(server);
}

before(async () => {
  await start();
  token = server.rootToken;
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

const call = (
  over: Transport,
  action: string,
  request: JsonObject,
  idempotencyKey: string,
  caller = token,
): Promise<Answer> => over.call(operationOf(action), request, { token: caller, idempotencyKey });

/** How often the log says that this was done to this resource, and how often an answer was only repeated. */
async function counted(action: string, resource: string): Promise<{ done: number; repeated: number }> {
  const { entries } = await readTrail(transports[0], token);
  const mine = entries.filter((entry) => entry.operation === action && entry.resource === resource);
  const repeated = mine.filter(({ request, outcome }) => outcome === "ok" && request["repeated"] === "true").length;
  return { done: mine.filter(({ outcome }) => outcome === "ok").length - repeated, repeated };
}

test("a creation that is repeated is carried out once, and answered the same over REST and gRPC", async () => {
  const [rest, grpc] = transports;
  const request = { name: "once", type: "ecdsa-p256", tags: { a: "1", b: "2" } };
  const answers = [
    await call(rest, "keys.create", request, "create-once"),
    await call(rest, "keys.create", request, "create-once"),
    await call(grpc, "keys.create", request, "create-once"),
  ];
  assert.deepEqual(
    answers.map(({ code }) => code),
    ["ok", "ok", "ok"],
  );
  assert.deepEqual(answers[1]?.value, answers[0]?.value);
  assert.deepEqual(answers[2]?.value, answers[0]?.value);
  assert.deepEqual(await counted("keys.create", "key/once"), { done: 1, repeated: 2 });
  assert.equal((await call(rest, "keys.create", request, "another-key")).code, "already_exists");
});

test("of many at once, one is carried out, and all get its answer", async () => {
  await call(transports[0], "keys.create", { name: "turning" }, "make-turning");
  const answers = await Promise.all(
    Array.from({ length: CALLERS }, (_, i) =>
      call(transports[i % 2] as Transport, "keys.rotate", { name: "turning" }, "turn-1"),
    ),
  );
  for (const answer of answers) {
    assert.equal(answer.code, "ok", answer.text);
    assert.equal(answer.value["latest_version"], 2);
  }
  assert.deepEqual(await counted("keys.rotate", "key/turning"), { done: 1, repeated: CALLERS - 1 });
});

test("the name is the caller's own, and for one request", async () => {
  const [rest] = transports;
  const made = await call(rest, "tokens.create", { display_name: "admin", role: "admin" }, "make-admin");
  const other = String(made.value["token"]);
  const put = (value: string, caller: string) => call(rest, "secrets.put", { name: "shared", value }, "put-1", caller);
  assert.equal((await put("one", token)).value["version"], 1);
  assert.equal((await put("two", other)).value["version"], 2, "another caller's call is another one");
  assert.equal((await put("one", token)).value["version"], 1, "the first answer again");
  assert.equal((await put("three", token)).code, "idempotency_mismatch");
  assert.equal((await call(rest, "secrets.delete", { name: "shared" }, "put-1")).code, "idempotency_mismatch");
  const read = await rest.call(operationOf("secrets.get"), { name: "shared" }, { token });
  assert.deepEqual([read.value["version"], read.value["value"]], [2, "two"]);
});

test("what holds a secret is not kept: whoever repeats it learns that it was done", async () => {
  const request = { display_name: "once-only", role: "reader" };
  assert.equal((await call(transports[0], "tokens.create", request, "token-1")).code, "ok");
  const again = await call(transports[1], "tokens.create", request, "token-1");
  assert.equal(again.code, "already_done");
  assert.deepEqual(again.value, {});
  const { value } = await transports[0].call(operationOf("tokens.list"), {}, { token });
  const names = (value["tokens"] as { display_name: string }[]).map(({ display_name }) => display_name);
  assert.equal(names.filter((name) => name === "once-only").length, 1);
});

test("a refusal is not kept: the same call may succeed later", async () => {
  const [rest] = transports;
  const rotate = () => call(rest, "keys.rotate", { name: "later" }, "rotate-later");
  assert.equal((await rotate()).code, "not_found");
  assert.equal((await call(rest, "keys.create", { name: "later" }, "create-later")).code, "ok");
  assert.equal((await rotate()).value["latest_version"], 2);
  assert.equal((await rotate()).value["latest_version"], 2);
});

test("a name that is none is refused, and one that is of no use is not", async () => {
  for (const over of transports) {
    for (const name of ["", "a b", "x".repeat(65), "a/b"]) {
      const answer = await call(over, "keys.create", { name: "never" }, name);
      assert.equal(answer.code, "invalid_request", `${over.name} "${name}"`);
    }
    const read = await call(over, "keys.list", {}, "not a name");
    assert.equal(read.code, "ok");
  }
  const quoted = await call(transports[0], "keys.create", { name: "quoted" }, '"q-1"');
  const plain = await call(transports[0], "keys.create", { name: "quoted" }, "q-1");
  assert.deepEqual([quoted.code, plain.code], ["ok", "ok"]);
});

test("a repetition still asks whether its caller may", async () => {
  const [rest] = transports;
  const made = await call(rest, "tokens.create", { display_name: "short", role: "admin" }, "make-short");
  const request = { name: "revoked-soon" };
  assert.equal((await call(rest, "keys.create", request, "c-1", String(made.value["token"]))).code, "ok");
  await rest.call(operationOf("tokens.revoke"), { id: String(made.value["id"]) }, { token });
  assert.equal((await call(rest, "keys.create", request, "c-1", String(made.value["token"]))).code, "unauthenticated");
});

test("it outlives a restart", async () => {
  const request = { name: "before" };
  const first = await call(transports[0], "keys.create", request, "restart-1");
  closeAll(transports);
  await server.stop();
  await start(server.dataPath);
  const again = await call(transports[1], "keys.create", request, "restart-1");
  assert.equal(again.code, "ok", again.text);
  assert.deepEqual(again.value, first.value);
});
