import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../harness/audit-entries.ts";
import { GET_SECRET, PUT_SECRET, RpcSocket, rpcFrame } from "../harness/rpc-socket.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail, type TrailEntry } from "./audit-trail.ts";
import { type Answer, operationOf, restTransport, type Transport } from "./operation-call.ts";

const CLIENTS = "127.0.0.1,127.0.0.7";
const ARGS = ["--rpc-addr", "127.0.0.1:0", "--rpc-secrets", "tenant_auth.*,shared", "--rpc-clients", CLIENTS];
const VALUE = Buffer.from("a client secret").toString("base64");

let server: TestServer;
let address: string;
let rest: Transport;
const sockets: RpcSocket[] = [];

before(async () => {
  server = await startServer({ args: ARGS });
  address = rpcAddress(server);
  rest = restTransport(server.url);
});

after(async () => {
  for (const socket of sockets) socket.close();
  rest.close();
  await server.remove();
});

function rpcAddress(of: TestServer): string {
  const [, found] = /^RPC {3}(\S+), without authentication/m.exec(of.output()) ?? [];
  assert.ok(found, of.output());
  return found;
}

async function connect(from?: string): Promise<RpcSocket> {
  const socket = await RpcSocket.connect(address, from);
  sockets.push(socket);
  return socket;
}

const call = (action: string, request: Record<string, string>): Promise<Answer> =>
  rest.call(operationOf(action), request, { token: server.rootToken });

const rpcTrail = async (): Promise<readonly TrailEntry[]> =>
  (await readTrail(rest, server.rootToken)).entries.filter(({ transport }) => transport === "rpc");

test("the server says at its start that the port has no authentication, and what it gives away", () => {
  assert.match(
    server.output(),
    /^RPC {3}127\.0\.0\.1:\d+, without authentication: whoever calls from a listed address reads and writes the secrets tenant_auth\.\*, shared$/m,
  );
});

test("a secret that is put is read, by both ways in, and each is recorded under the listener's own identity", async () => {
  const socket = await connect();
  assert.deepEqual(await socket.call(PUT_SECRET, { name: "tenant_auth.p1.secret", value_b64: VALUE }), {
    ...{ id: 1n, status: 0 },
    payload: {},
  });
  assert.equal((await socket.call(GET_SECRET, { name: "tenant_auth.p1.secret" }))?.payload["value_b64"], VALUE);
  assert.equal((await call("secrets.get", { name: "tenant_auth.p1.secret" })).value["value"], "a client secret");
  await call("secrets.put", { name: "shared", value: "from REST" });
  const shared = await socket.call(GET_SECRET, { name: "shared" });
  assert.equal(Buffer.from(shared?.payload["value_b64"] ?? "", "base64").toString(), "from REST");

  const [second, get, put] = await rpcTrail();
  for (const entry of [second, get, put]) {
    assert.match(entry?.identity ?? "", /^[0-9a-f]{32}$/);
    assert.deepEqual([entry?.identity_name, entry?.role, entry?.outcome], ["rpc", "operator", "ok"]);
    assert.equal(entry?.source_address, "127.0.0.1");
  }
  assert.deepEqual([put?.operation, put?.resource], ["secrets.put", "secret/tenant_auth.p1.secret"]);
  assert.deepEqual([get?.operation, get?.resource], ["secrets.get", "secret/tenant_auth.p1.secret"]);
  assert.equal(second?.resource, "secret/shared");
});

test("REQ-20, REQ-24: what the settings do not name is refused and recorded, whether it exists or not", async () => {
  await call("secrets.put", { name: "tenant_authority", value: "another's" });
  await call("secrets.put", { name: "shared2", value: "another's" });
  const socket = await connect();
  const names = ["tenant_authority", "shared2", "missing", "Tenant_auth.x", "tenant_auth", "x/tenant_auth.a"];
  for (const name of names) {
    for (const [command, request] of [
      [GET_SECRET, { name }],
      [PUT_SECRET, { name, value_b64: VALUE }],
    ] as const) {
      const answer = await socket.call(command, request);
      assert.equal(answer?.status, 1, name);
      assert.equal(answer?.payload["code"], "permission_denied", name);
      const [entry] = await rpcTrail();
      assert.deepEqual([entry?.outcome, entry?.resource], ["permission_denied", `secret/${name}`]);
    }
  }
  assert.equal((await call("secrets.get", { name: "tenant_authority" })).value["value"], "another's");
  assert.equal((await call("secrets.get", { name: "tenant_auth" })).code, "not_found");
});

test("requests that are malformed, and unknown commands, are answered, recorded, and leave the connection open", async () => {
  const socket = await connect();
  for (const [command, payload, code] of [
    [GET_SECRET, "", "invalid_request"],
    [GET_SECRET, "{", "invalid_request"],
    [GET_SECRET, "[]", "invalid_request"],
    [GET_SECRET, "null", "invalid_request"],
    [GET_SECRET, "{}", "invalid_request"],
    [GET_SECRET, '{"name":7}', "invalid_request"],
    [GET_SECRET, '{"name":"shared","name":"shared"}', "invalid_request"],
    [GET_SECRET, '{"name":"shared","more":1}', "invalid_request"],
    [GET_SECRET, '{"name":"tenant_auth./../../x"}', "invalid_request"],
    [GET_SECRET, '{"name":"tenant_auth.\\u0000"}', "invalid_request"],
    [GET_SECRET, '{"name":"__proto__"}', "invalid_request"],
    [GET_SECRET, '{"name":"tenant_auth.missing"}', "not_found"],
    [PUT_SECRET, '{"name":"shared"}', "invalid_request"],
    [PUT_SECRET, `{"name":"shared","value":[${"1,".repeat(500_000)}1]}`, "invalid_request"],
    [PUT_SECRET, '{"name":"shared","value_b64":"@"}', "invalid_request"],
    [PUT_SECRET, '{"name":"shared","value":"a","max_versions":1}', "invalid_request"],
    [PUT_SECRET, '{"name":"shared","value":"a","if_version":1}', "invalid_request"],
    [PUT_SECRET, '{"name":"shared","value_b64":"QQ"}', "invalid_request"],
    [PUT_SECRET, '{"name":"shared","value":"a","value_b64":"QQ=="}', "invalid_request"],
    [PUT_SECRET, `{"name":"shared","value_b64":"${"A".repeat(699_056)}"}`, "invalid_request"],
    [0, "{}", "unknown_operation"],
    [3, "{}", "unknown_operation"],
    [255, "{}", "unknown_operation"],
  ] as const) {
    const answer = await socket.call(command, payload);
    assert.equal(answer?.status, 1, payload.slice(0, 50));
    assert.equal(answer?.payload["code"], code, payload.slice(0, 50));
    assert.notEqual(answer?.payload["error"], "");
    assert.equal((await rpcTrail())[0]?.outcome, code, payload.slice(0, 50));
  }
  assert.equal((await socket.call(GET_SECRET, { name: "shared" }))?.status, 0);
});

test("the largest value goes in and comes out, and so does an empty one", async () => {
  const socket = await connect();
  for (const value of [Buffer.alloc(512 * 1024, 0xa5), Buffer.alloc(0)]) {
    const request = { name: "tenant_auth.large", value_b64: value.toString("base64") };
    assert.equal((await socket.call(PUT_SECRET, request))?.status, 0);
    const answer = await socket.call(GET_SECRET, { name: "tenant_auth.large" });
    assert.ok(Buffer.from(answer?.payload["value_b64"] ?? "-", "base64").equals(value));
  }
});

test("many requests at once on one connection are answered in their order, in whatever pieces they come", async () => {
  const socket = await connect();
  await socket.call(PUT_SECRET, { name: "tenant_auth.ordered", value_b64: VALUE });
  const frames = Array.from({ length: 300 }, (_, i) => {
    const name = i % 3 === 0 ? "tenant_auth.ordered" : i % 3 === 1 ? "tenant_auth.missing" : "forbidden";
    return rpcFrame(BigInt(i), GET_SECRET, { name });
  });
  const bytes = Buffer.concat(frames);
  for (let at = 0; at < bytes.length; at += 777) {
    socket.send(bytes.subarray(at, at + 777));
  }
  for (let i = 0; i < frames.length; i++) {
    const answer = await socket.answer();
    assert.equal(answer?.id, BigInt(i));
    assert.equal(answer.payload["code"], [undefined, "not_found", "permission_denied"][i % 3]);
  }
});

test("who has sent his last request and half closed still gets its answer", async () => {
  const socket = await connect();
  socket.send(rpcFrame(5n, GET_SECRET, { name: "shared" }));
  socket.socket.end();
  assert.equal((await socket.answer())?.id, 5n);
  await socket.ended();
});

test("what is no frame ends the connection after the answers that are due, and is recorded", async () => {
  const good = rpcFrame(1n, GET_SECRET, { name: "shared" });
  for (const bad of [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Buffer.alloc(64, 0xff), Buffer.alloc(64)]) {
    const before = (await rpcTrail()).length;
    const socket = await connect();
    socket.send(good, bad, good);
    assert.equal((await socket.answer())?.status, 0);
    assert.equal(await socket.answer(), undefined);
    await socket.ended();
    const trail = await rpcTrail();
    assert.equal(trail.length, before + 2);
    const [entry] = trail;
    assert.deepEqual([entry?.outcome, entry?.operation, entry?.identity_name], ["invalid_request", "", "rpc"]);
  }
});

test("REQ-37: who sends nothing, or not the rest of a frame, is let go of after ten seconds; who has been served is not", async () => {
  const served = await connect();
  assert.equal((await served.call(GET_SECRET, { name: "shared" }))?.status, 0);
  const silent = await connect();
  const halfway = await connect();
  assert.equal((await halfway.call(GET_SECRET, { name: "shared" }))?.status, 0);
  halfway.send(rpcFrame(2n, GET_SECRET, { name: "shared" }).subarray(0, 20));
  const start = performance.now();
  await Promise.all([silent.ended(), halfway.ended()]);
  const waited = performance.now() - start;
  assert.ok(waited > 8_000 && waited < 25_000, `${waited} ms`);
  assert.equal((await served.call(GET_SECRET, { name: "shared" }))?.status, 0);
});

test("REQ-37: of more connections than there are places the one that was idle longest ends, and one at work does not", async () => {
  const first = await connect();
  assert.equal((await first.call(GET_SECRET, { name: "shared" }))?.status, 0);
  const busy = await connect();
  busy.send(rpcFrame(9n, GET_SECRET, { name: "shared" }).subarray(0, 10));
  const crowd: RpcSocket[] = [];
  for (let i = 0; i < 66; i++) {
    const one = await connect();
    assert.equal((await one.call(GET_SECRET, { name: "shared" }))?.status, 0);
    crowd.push(one);
  }
  await first.ended();
  busy.send(rpcFrame(9n, GET_SECRET, { name: "shared" }).subarray(10));
  assert.equal((await busy.answer())?.id, 9n);
  assert.equal((await crowd.at(-1)?.call(GET_SECRET, { name: "shared" }))?.status, 0);
  assert.equal((await rest.call(operationOf("tokens.get_self"), {}, { token: server.rootToken })).code, "ok");
});

test("REQ-37: who asks and does not read is let go of, others are served meanwhile, and no more is worked out than fits", async () => {
  const slow = await connect();
  const large = { name: "tenant_auth.slow", value_b64: Buffer.alloc(512 * 1024).toString("base64") };
  assert.equal((await slow.call(PUT_SECRET, large))?.status, 0);
  slow.socket.pause();
  const asked = 200;
  slow.send(...Array.from({ length: asked }, (_, i) => rpcFrame(BigInt(i), GET_SECRET, { name: large.name })));
  await sleep(12_000);
  const other = await connect();
  assert.equal((await other.call(GET_SECRET, { name: "shared" }))?.status, 0);
  const done = (await rpcTrail()).filter(
    ({ resource, operation }) => resource.endsWith(".slow") && operation === "secrets.get",
  );
  assert.ok(done.length < asked / 2, `${done.length} of ${asked}`);
  slow.socket.resume();
  await slow.ended();
});

test("who is not listed is turned away at once, and that is recorded as a call without a token", async () => {
  assert.equal((await (await connect("127.0.0.7")).call(GET_SECRET, { name: "shared" }))?.status, 0);
  const before = (await rpcTrail()).length;
  const stranger = await connect("127.0.0.8");
  await stranger.ended();
  await until(async () => (await rpcTrail()).length > before, "the entry");
  const [entry] = await rpcTrail();
  assert.deepEqual(
    [entry?.source_address, entry?.outcome, entry?.identity, entry?.identity_name],
    ["127.0.0.8", "unauthenticated", "", ""],
  );
});

test("metrics count these calls by their transport, and readiness is as it was", async () => {
  const metrics = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.rootToken}` } });
  assert.match(
    await metrics.text(),
    /bunkms_requests_total\{operation="secrets.get",outcome="ok",transport="rpc"\} \d+/,
  );
  assert.equal((await fetch(`${server.url}/ready`)).status, 200);
});

test("REQ-06, REQ-31: no value that went this way is in the log", () => {
  for (const text of ["a client secret", VALUE, "from REST"]) {
    assert.ok(!server.output().includes(text));
  }
});

test("a stop ends idle connections at once, and answers what is under way", async () => {
  const own = await startServer({ args: ARGS });
  try {
    const idle = await RpcSocket.connect(rpcAddress(own));
    assert.equal((await idle.call(GET_SECRET, { name: "tenant_auth.none" }))?.payload["code"], "not_found");
    const start = performance.now();
    assert.equal(await own.stop(), 0);
    assert.ok(performance.now() - start < 9_000);
    await idle.ended();
  } finally {
    await own.remove();
  }
});

test("a sealed vault says so on this port too", async () => {
  const args = ["--rpc-addr", "127.0.0.1:0", "--rpc-secrets", "a"];
  const own = await startServer({ dev: false, args, env: { BUNKMS_SEALS: "shamir" } });
  try {
    const socket = await RpcSocket.connect(rpcAddress(own));
    sockets.push(socket);
    assert.match(own.output(), /whoever runs on this machine reads and writes the secrets a$/m);
    assert.equal((await socket.call(GET_SECRET, { name: "a" }))?.payload["code"], "not_initialised");
  } finally {
    await own.remove();
  }
});
