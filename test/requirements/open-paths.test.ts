import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type IncomingHttpHeaders } from "node:http2";
import { after, before, test } from "node:test";
import { type OperationSpec, readOperations } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { restTransport, type Transport } from "./operation-call.ts";
import { errorCode, sendRaw } from "./raw-calls.ts";
import { readContent } from "./vault-content.ts";

const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "SEARCH", "PURGE"];
const OTHER_PATHS = [
  ...[
    "/",
    "/v1",
    "/v1/",
    "/v2/keys",
    "/index.html",
    "/favicon.ico",
    "/robots.txt",
    "/.well-known/x",
    "/api",
    "/ui",
    "/admin",
  ],
  ...[
    "/metrics/",
    "/Metrics",
    "/openapi.json/",
    "/openapi.yaml",
    "/version",
    "/info",
    "/status",
    "/debug/pprof",
    "/v1/sys",
    "/v1/sys/",
    "/v1/sys/health/",
    "/v1/sys/seal-status/",
    "/v1/sys/unseal/x",
    "/v1/sys/init%2F",
    "/v1/sys/host-info",
    "/v1/sys/mounts",
  ],
  ...[
    "/health/",
    "/health/x",
    "/healthz",
    "/ready/",
    "/readyz",
    "/health%2F",
    "/%68ealth/x",
    "//health",
    "/HEALTH",
    "/health/../v1/keys",
  ],
  ...["*", "http://localhost/v1/keys", "/v1/keys?token=x", "/v1/keys#x", "/bunkms.v1.KeyService/ListKeys"],
];

/** The paths of no operation that are open. */
const OPEN_PATHS = ["/health", "/ready", "/v1/sys/health"];
/** The operations that need no token, each with what it answers a stranger who has no share. */
const OPEN_OPERATIONS: Readonly<Record<string, string>> = {
  "GET /v1/sys/seal-status": "",
  "GET /v1/sys/init": "",
  "GET /v1/sys/leader": "",
  "POST /v1/sys/init": "already_initialised",
  "PUT /v1/sys/init": "already_initialised",
  "POST /v1/sys/unseal": "invalid_share",
  "PUT /v1/sys/unseal": "invalid_share",
  "POST /v1/sys/root-token": "invalid_request",
};

/** All that a stranger sees of a vault. */
const STATUS_MEMBERS = [
  ...["build_date", "cluster_id", "cluster_name", "failing_seals", "initialized", "migration", "n", "nonce"],
  ...["progress", "recovery_seal", "sealed", "state", "storage_type", "t", "type", "version"],
];
const HEALTH_MEMBERS = [
  ...["cluster_id", "cluster_name", "failing_seals", "initialized", "performance_standby"],
  ...[
    "replication_dr_mode",
    "replication_performance_mode",
    "sealed",
    "server_time_utc",
    "standby",
    "state",
    "version",
  ],
];

let server: TestServer;
let rest: Transport;

before(async () => {
  server = await startServer({ args: ["--store", "memory", "--log-level", "silent"] });
  rest = restTransport(server.url);
});

after(async () => {
  rest.close();
  await server.remove();
});

/** Each path of the contract with its variables filled in, and what nobody has offered. */
function targets(): readonly string[] {
  const own = readOperations().map(({ route }) => route.template.replaceAll(/\{[^}]*\}/g, "x"));
  return [...new Set([...own, ...OTHER_PATHS])];
}

test("COSMIAN-2026-012 the contract opens just these operations to strangers", () => {
  const open = readOperations()
    .filter(({ anonymous }) => anonymous)
    .flatMap(({ route: { method, otherMethod, template } }) =>
      [method, otherMethod].filter((known) => known !== undefined).map((known) => `${known} ${template}`),
    );
  assert.deepEqual(open.toSorted(), Object.keys(OPEN_OPERATIONS).toSorted());
});

test("COSMIAN-2026-007 COSMIAN-2026-012 no other path answers a stranger, whatever the method", async () => {
  for (const target of targets()) {
    for (const method of METHODS.filter((candidate) => !isOpen(candidate, target))) {
      const { status, headers, body } = await sendRaw(server.url, { method, target });
      assert.equal(status, 401, `${method} ${target}`);
      assert.equal(headers.get("www-authenticate"), "Bearer", `${method} ${target}`);
      assert.equal(headers.get("allow"), undefined, `${method} ${target} tells its methods`);
      assert.equal(method === "HEAD" ? "unauthenticated" : errorCode({ status, headers, body }), "unauthenticated");
    }
  }
});

test("COSMIAN-2026-012 CVE-2026-5807 what the open operations tell and do for a stranger is no secret and nothing", async () => {
  const { rootToken } = server;
  const before = await readContent(rest, rootToken);
  for (const [operation, code] of Object.entries(OPEN_OPERATIONS)) {
    const [method = "", target = ""] = operation.split(" ");
    const answer = await sendRaw(server.url, { method, target, ...(method === "GET" ? {} : { body: "{}" }) });
    assert.equal(errorCode(answer), code, operation);
  }
  const status = JSON.parse((await sendRaw(server.url, { target: "/v1/sys/seal-status" })).body) as object;
  assert.deepEqual(Object.keys(status).toSorted(), STATUS_MEMBERS);
  const health = JSON.parse((await sendRaw(server.url, { target: "/v1/sys/health" })).body) as object;
  assert.deepEqual(Object.keys(health).toSorted(), HEALTH_MEMBERS);
  assert.deepEqual(await readContent(rest, rootToken), before);
});

test("COSMIAN-2026-012 /health and /ready tell a stranger that the server lives and serves, and nothing else", async () => {
  for (const [target, body] of [
    ["/health", '{"status":"ok"}'],
    ["/ready", '{"status":"ready"}'],
  ] as const) {
    assert.equal((await sendRaw(server.url, { target })).body, body);
    for (const method of METHODS.filter((candidate) => candidate !== "GET" && candidate !== "HEAD")) {
      const { status } = await sendRaw(server.url, { method, target });
      assert.equal(status, 405, `${method} ${target}`);
    }
  }
});

test("COSMIAN-2026-007 a token anywhere but in the Authorization header is none", async () => {
  const { rootToken } = server;
  const attempts = [
    { target: `/v1/keys?token=${rootToken}` },
    { target: `/v1/keys?access_token=${rootToken}` },
    { target: "/v1/keys", headers: [`x-vault-token: ${rootToken}`] },
    { target: "/v1/keys", headers: [`cookie: token=${rootToken}`] },
    { target: "/v1/keys", headers: [`proxy-authorization: Bearer ${rootToken}`] },
    { target: "/v1/keys", headers: [`authorization: ${rootToken}`] },
    { target: "/v1/keys", headers: [`authorization: Basic ${Buffer.from(`root:${rootToken}`).toString("base64")}`] },
    { target: "/v1/keys", headers: [`authorization: Bearer ${rootToken} ${rootToken}`] },
    { target: "/v1/keys", headers: [`authorization: Bearer ${rootToken}, Bearer ${rootToken}`] },
    { target: "/v1/keys", headers: [`authorization: Bearer\u00a0${rootToken}`] },
    { target: "/v1/keys", headers: [`authorization: Bearer ${rootToken}`, `Authorization: Bearer ${rootToken}`] },
    { target: "/v1/keys", headers: [`authorization: Bearer ${rootToken}`, "authorization: Bearer another"] },
    // Vault's own header, where there is a bearer token.
    ...["Bearer another", `Bearer ${rootToken}, Bearer another`, "Basic cm9vdDo=, Bearer another"].map((given) => ({
      target: "/v1/sys/slots",
      headers: [`authorization: ${given}`, `x-vault-token: ${rootToken}`],
    })),
  ];
  for (const attempt of attempts) {
    assert.equal((await sendRaw(server.url, attempt)).status, 401, JSON.stringify(attempt));
  }
  assert.equal((await sendRaw(server.url, { target: "/v1/keys", token: rootToken })).status, 200);
  for (const others of [[], ["authorization: Basic cm9vdDo="]]) {
    const vaults = { target: "/v1/sys/slots", headers: [...others, `x-vault-token: ${rootToken}`] };
    assert.equal((await sendRaw(server.url, vaults)).status, 200);
  }
});

test("COSMIAN-2026-007 gRPC tells a stranger nothing but its health and what the open operations do, not even the names of its services", async () => {
  const client = new grpc.Client(server.grpcAddr, grpc.credentials.createInsecure());
  const call = (path: string): Promise<grpc.status> =>
    new Promise((resolve) => {
      const asIs = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), (error) => resolve(error?.code ?? grpc.status.OK));
    });
  for (const { method, anonymous } of readOperations()) {
    const path = `/${method.parent.typeName}/${method.name}`;
    assert.equal((await call(path)) === grpc.status.UNAUTHENTICATED, !anonymous, path);
  }
  // listServices, field 7 of ServerReflectionRequest.
  const stream = client.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
  );
  const answers: Buffer[] = [];
  stream.on("data", (bytes: Buffer) => answers.push(bytes));
  const ended = new Promise<grpc.ServiceError>((resolve) => stream.on("error", resolve));
  stream.write(Buffer.of(0x3a, 0x01, 0x2a));
  assert.equal((await ended).code, grpc.status.UNAUTHENTICATED);
  assert.deepEqual(answers, []);
  client.close();
});

test("REQ-20 a call by gRPC with more than one authorization is a stranger's, and one with more than one idempotency key is malformed", async () => {
  const { method } = readOperations().find(({ action }) => action === "keys.create") as OperationSpec;
  const bearer = `Bearer ${server.rootToken}`;
  const call = async (...more: readonly string[]): Promise<number> => {
    const session = connect(`http://${server.grpcAddr}`, { strictSingleValueFields: false } as object);
    try {
      const head = [":method", "POST", ":scheme", "http", ":path", `/${method.parent.typeName}/${method.name}`];
      const stream = session.request([...head, "content-type", "application/grpc", "te", "trailers", ...more]);
      let status = "";
      for (const event of ["response", "trailers"]) {
        stream.on(event, (headers: IncomingHttpHeaders) => {
          status = String(headers["grpc-status"] ?? status);
        });
      }
      // KeyService.CreateKey {name = 1}.
      stream.end(Buffer.from([0, 0, 0, 0, 3, 0x0a, 0x01, 0x6b]));
      stream.resume();
      await once(stream, "close");
      return Number(status);
    } finally {
      session.destroy();
    }
  };
  assert.equal(await call("authorization", bearer, "authorization", bearer), grpc.status.UNAUTHENTICATED);
  assert.equal(await call("authorization", bearer, "authorization", "Bearer x"), grpc.status.UNAUTHENTICATED);
  const twice = ["idempotency-key", "a", "idempotency-key", "a"];
  assert.equal(await call("authorization", bearer, ...twice), grpc.status.INVALID_ARGUMENT);
  const overRest = { method: "POST", target: "/v1/keys", body: '{"name":"k"}', token: server.rootToken };
  const headers = ["idempotency-key: a", "idempotency-key: a"];
  assert.equal(errorCode(await sendRaw(server.url, { ...overRest, headers })), "invalid_request");
  assert.equal(await call("authorization", bearer), grpc.status.OK);
});

/** Whether strangers may call this. */
function isOpen(method: string, target: string): boolean {
  return OPEN_PATHS.includes(target) || Object.hasOwn(OPEN_OPERATIONS, `${method} ${target}`);
}

test("REQ-32 what strangers tried is in the audit log as refused", async () => {
  const { entries } = await readTrail(rest, server.rootToken);
  const refused = entries.filter(({ outcome, identity }) => outcome === "unauthenticated" && identity === "");
  // Requests that are no HTTP never become calls.
  const sent = targets().flatMap((target) => METHODS.filter((method) => !isOpen(method, target)));
  assert.ok(refused.length >= sent.length, `${refused.length} entries of ${sent.length}`);
});
