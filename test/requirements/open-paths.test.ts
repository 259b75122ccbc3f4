import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readOperations } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { restTransport, type Transport } from "./operation-call.ts";
import { errorCode, sendRaw } from "./raw-calls.ts";

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
    "/v1/sys/health",
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

test("COSMIAN-2026-007 COSMIAN-2026-012 no path but /health and /ready answers a stranger, whatever the method", async () => {
  for (const target of targets()) {
    for (const method of METHODS) {
      const { status, headers, body } = await sendRaw(server.url, { method, target });
      assert.equal(status, 401, `${method} ${target}`);
      assert.equal(headers.get("www-authenticate"), "Bearer", `${method} ${target}`);
      assert.equal(headers.get("allow"), undefined, `${method} ${target} tells its methods`);
      assert.equal(method === "HEAD" ? "unauthenticated" : errorCode({ status, headers, body }), "unauthenticated");
    }
  }
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
  ];
  for (const attempt of attempts) {
    assert.equal((await sendRaw(server.url, attempt)).status, 401, JSON.stringify(attempt));
  }
  assert.equal((await sendRaw(server.url, { target: "/v1/keys", token: rootToken })).status, 200);
});

test("COSMIAN-2026-007 gRPC tells a stranger nothing but its health, not even the names of its services", async () => {
  const client = new grpc.Client(server.grpcAddr, grpc.credentials.createInsecure());
  const call = (path: string): Promise<grpc.status> =>
    new Promise((resolve) => {
      const asIs = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), (error) => resolve(error?.code ?? grpc.status.OK));
    });
  for (const { method } of readOperations()) {
    const path = `/${method.parent.typeName}/${method.name}`;
    assert.equal(await call(path), grpc.status.UNAUTHENTICATED, path);
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

test("REQ-32 what strangers tried is in the audit log as refused", async () => {
  const { entries } = await readTrail(rest, server.rootToken);
  const refused = entries.filter(({ outcome, identity }) => outcome === "unauthenticated" && identity === "");
  // Requests that are no HTTP never become calls.
  assert.ok(refused.length >= targets().length * METHODS.length, `${refused.length} entries`);
});
