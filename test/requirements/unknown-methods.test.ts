import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail, type TrailEntry } from "./audit-trail.ts";
import { bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";
import { makePrincipals, type Principal } from "./principals.ts";
import { withstand } from "./withstand.ts";

const KNOWN = "/bunkms.v1.KeyService/Encrypt";
const WAIT_MS = 10_000;

/** What names no method, whichever way it fails to. */
const PATHS = [
  "/no.such.Service/Method",
  "/bunkms.v1.KeyService/NoSuchMethod",
  "/bunkms.v1.KeyService/",
  "/bunkms.v1.KeyService",
  "/bunkms.v1.keyservice/encrypt",
  "/",
  "//",
  `/${KNOWN}`,
  `${KNOWN}/`,
  `${KNOWN}?a=b`,
  "/bunkms.v1.KeyService//Encrypt",
  "/bunkms.v1.KeyService/../KeyService/Encrypt",
  "/bunkms.v1.KeyService%2FEncrypt",
  "/bunkms.v1.KeyService/%45ncrypt",
  `${KNOWN}%00`,
  `${KNOWN}\u00e9`,
  "/__proto__/constructor",
  `/${"a".repeat(16_000)}/b`,
];

/** What HTTP/2 itself may refuse: then it reaches nothing, and nobody. */
const PATHS_OF_NO_REQUEST = [KNOWN.slice(1), "*", "", "%2F", `http://elsewhere.example${KNOWN}`, `${KNOWN}\0`];

let server: TestServer;
let transports: readonly Transport[];
let principals: readonly Principal[];
let requests = 0;

before(async () => {
  server = await startServer({ args: ["--log-level", "error"] });
  transports = bothTransports(server);
  principals = await makePrincipals(transports[0] as Transport, server.rootToken);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

function nextRequestId(): string {
  requests += 1;
  return `unknown-${requests}`;
}

async function entriesOf(requestId: string): Promise<readonly TrailEntry[]> {
  const { entries } = await readTrail(transports[0] as Transport, server.rootToken);
  return entries.filter(({ request_id }) => request_id === requestId);
}

/** What is the same whichever way an unknown operation was asked for. */
function shape({ index: _, request_id, transport, time, ...rest }: TrailEntry & { readonly time?: string }) {
  return rest;
}

interface End {
  readonly status: number | undefined;
  readonly message: string;
  readonly details: Buffer;
  readonly requestId: string;
}

/** A call by HTTP/2 itself, since a gRPC client sends no such paths. */
async function callPath(path: string, token: string | undefined, requestId = nextRequestId()): Promise<End> {
  const session = openSession();
  let fields: IncomingHttpHeaders = {};
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "x-request-id": requestId,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    });
    const ended = new Promise((resolve) => stream.on("error", resolve).once("end", resolve).once("close", resolve));
    for (const event of ["response", "trailers"]) {
      stream.on(event, (more: IncomingHttpHeaders) => {
        fields = { ...fields, ...more };
      });
    }
    stream.resume();
    stream.end(Buffer.alloc(5));
    await Promise.race([ended, sleep(WAIT_MS, undefined, { ref: false })]);
  } finally {
    session.destroy();
  }
  return {
    status: fields["grpc-status"] === undefined ? undefined : Number(fields["grpc-status"]),
    message: decodeURIComponent(String(fields["grpc-message"] ?? "")),
    details: Buffer.from(String(fields["grpc-status-details-bin"] ?? ""), "base64"),
    requestId: String(fields["x-request-id"]),
  };
}

function openSession({ grpcAddr }: TestServer = server): ClientHttp2Session {
  return connect(`http://${grpcAddr}`).on("error", () => {});
}

for (const path of PATHS) {
  test(`REQ-22 REQ-32 a gRPC path that names no method is refused with our code, and recorded: ${path.slice(0, 60)}`, async () => {
    const requestId = nextRequestId();
    const { status, message, details, requestId: answered } = await callPath(path, server.rootToken, requestId);
    assert.deepEqual([status, message], [grpc.status.UNIMPLEMENTED, "there is no such operation"]);
    assert.ok(details.includes("unknown_operation") && details.includes(requestId), details.toString("latin1"));
    assert.equal(answered, requestId);
    const found = await entriesOf(requestId);
    assert.deepEqual(
      found.map(({ outcome, operation, resource, identity_name, transport }) => [
        outcome,
        operation,
        resource,
        identity_name,
        transport,
      ]),
      [["unknown_operation", "", "", "root", "grpc"]],
    );
  });
}

test("CVE-2026-33186 what HTTP/2 has for no path reaches no method, whoever calls", async () => {
  for (const path of PATHS_OF_NO_REQUEST) {
    for (const token of [undefined, server.rootToken]) {
      const requestId = nextRequestId();
      const { status, details } = await callPath(path, token, requestId);
      const expected = token === undefined ? grpc.status.UNAUTHENTICATED : grpc.status.UNIMPLEMENTED;
      const code = token === undefined ? "unauthenticated" : "unknown_operation";
      assert.ok(status === undefined || (status === expected && details.includes(code)), `${path}: ${status}`);
      const found = await entriesOf(requestId);
      assert.deepEqual(
        found.map(({ outcome }) => outcome),
        status === undefined ? [] : [code],
        path,
      );
    }
  }
});

test("REQ-32 an unknown method leaves the entry that an unknown path leaves, whoever calls", async () => {
  for (const { name, token, id, rank } of principals) {
    const [restId, grpcId] = [nextRequestId(), nextRequestId()];
    const headers = { "x-request-id": restId, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const answer = (await (await fetch(`${server.url}/v1/no-such-thing`, { headers })).json()) as { code: string };
    const { details } = await callPath("/no.such.Service/Method", token, grpcId);
    assert.ok(details.includes(answer.code), `${name}: REST says ${answer.code}, gRPC ${details.toString("latin1")}`);
    assert.equal(answer.code, rank === 0 ? "unauthenticated" : "unknown_operation", name);
    const [rest, ...more] = await entriesOf(restId);
    const [other, ...others] = await entriesOf(grpcId);
    assert.ok(rest !== undefined && other !== undefined && more.length + others.length === 0, name);
    assert.deepEqual(shape(other), shape(rest), name);
    assert.deepEqual([rest.identity, rest.outcome, rest.transport, other.transport], [id, answer.code, "rest", "grpc"]);
  }
});

/** The four kinds of call that a gRPC client knows. */
function everyKind(client: grpc.Client, path: string, metadata: grpc.Metadata): readonly EventEmitter[] {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const message = Buffer.from([0x0a, 0x01, 0x6b]);
  const ignore = (): void => {};
  const inward = client.makeClientStreamRequest(path, asIs, asIs, metadata, ignore);
  const both = client.makeBidiStreamRequest(path, asIs, asIs, metadata);
  for (const stream of [inward, both]) {
    stream.write(message);
  }
  const outward = client.makeServerStreamRequest(path, asIs, asIs, message, metadata);
  for (const stream of [outward, both]) {
    stream.resume();
  }
  return [client.makeUnaryRequest(path, asIs, asIs, message, metadata, ignore), inward, outward, both];
}

test("REQ-32 unary and streaming clients get the same refusal, before they end their side", async () => {
  const client = new grpc.Client(server.grpcAddr, grpc.credentials.createInsecure());
  const reader = principals.find(({ name }) => name === "reader");
  try {
    for (const [token, code, text] of [
      [reader?.token, grpc.status.UNIMPLEMENTED, "unknown_operation"],
      ["bkms_s_nonsense", grpc.status.UNAUTHENTICATED, "unauthenticated"],
      [undefined, grpc.status.UNAUTHENTICATED, "unauthenticated"],
    ] as const) {
      const metadata = new grpc.Metadata();
      const requestId = nextRequestId();
      metadata.set("x-request-id", requestId);
      if (token !== undefined) {
        metadata.set("authorization", `Bearer ${token}`);
      }
      const statuses = everyKind(client, "/bunkms.v1.KeyService/NoSuchMethod", metadata).map(
        (call) =>
          new Promise<grpc.StatusObject>((resolve) => {
            call.on("error", () => {});
            call.on("status", resolve);
          }),
      );
      for (const status of await Promise.all(statuses)) {
        assert.equal(status.code, code);
        assert.ok(String(status.metadata.get("grpc-status-details-bin")[0]).includes(text));
      }
      const found = await entriesOf(requestId);
      assert.deepEqual(
        found.map(({ outcome }) => outcome),
        [text, text, text, text],
      );
    }
  } finally {
    client.close();
  }
});

test("REQ-37 a known caller's huge messages to unknown methods are not kept", async () => {
  // Of its own, since memory that an earlier test had made resident would hide what this one takes.
  const fresh = await startServer({ args: ["--log-level", "error"] });
  const own = bothTransports(fresh);
  try {
    const request = { display_name: "hostile", role: "reader" };
    const { value } = await own[0].call(operationOf("tokens.create"), request, { token: fresh.rootToken });
    await withstand(fresh, async () => {
      const sessions = Array.from({ length: 10 }, () => openSession(fresh));
      let over = 0;
      for (const session of sessions) {
        for (let i = 0; i < 60; i++) {
          const stream = session.request({
            ":method": "POST",
            ":path": "/no.such.Service/Method",
            "content-type": "application/grpc",
            te: "trailers",
            authorization: `Bearer ${value["token"]}`,
          });
          stream.on("error", () => {});
          // Refused by us, or reset by HTTP/2 itself when one connection sends too much at once.
          const ended = new Promise((resolve) => stream.once("response", resolve).once("close", resolve));
          void ended.then(() => {
            over += 1;
          });
          stream.write(Buffer.concat([Buffer.from([0, 0, 0x10, 0, 0]), Buffer.alloc(1_000_000)]));
        }
      }
      for (let waited = 0; over < 600 && waited < WAIT_MS; waited += 50) {
        await sleep(50);
      }
      assert.equal(over, 600);
      for (const session of sessions) {
        session.destroy();
      }
    });
  } finally {
    closeAll(own);
    await fresh.remove();
  }
});

test("REQ-39 what grpc-js refuses of such a call by itself has our code, too", async () => {
  const session = openSession();
  const stream = session.request({
    ":method": "POST",
    ":path": "/no.such.Service/Method",
    "content-type": "application/grpc",
    te: "trailers",
    "grpc-timeout": "soon",
    authorization: `Bearer ${server.rootToken}`,
  });
  const fields = await new Promise<IncomingHttpHeaders>((resolve) => stream.once("response", resolve));
  session.destroy();
  const details = Buffer.from(String(fields["grpc-status-details-bin"]), "base64");
  assert.ok(details.includes("invalid_request") || details.includes("unknown_operation"));
  assert.doesNotMatch(String(fields["grpc-message"]), /timeout|soon/);
});
