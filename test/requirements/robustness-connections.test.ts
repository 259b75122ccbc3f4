import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ERRORS, type ErrorCode } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Exchange, exchange, openConnection, readAnswer } from "./raw-exchange.ts";
import { withstand } from "./withstand.ts";

const IDLE_CONNECTIONS = process.env["BUNKMS_SOAK"] === undefined ? 2000 : 10_000;
const SLOW_CONNECTIONS = 200;
/** The server gives a request's head 10 seconds and looks every 2; the rest is for a busy machine. */
const SLOW_HEAD_MS = 40_000;

let server: TestServer;

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
});

after(() => server.remove());

/** A refusal of the HTTP layer or of the pipeline: always the error body, and the end of the connection. */
function assertRefused(result: Exchange, code: ErrorCode): void {
  const answer = readAnswer(result);
  const body = JSON.parse(answer.body) as Record<string, unknown>;
  assert.deepEqual([answer.status, body["code"]], [ERRORS[code].http, code], answer.body);
  assert.deepEqual(Object.keys(body).sort(), ["code", "error", "request_id"]);
  assert.match(String(body["request_id"]), /^[A-Za-z0-9._-]+$/);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.ok(result.closed);
}

function withToken(text: string): string {
  return text.replace("\r\n", `\r\nAuthorization: Bearer ${server.rootToken}\r\n`);
}

async function openMany(address: string, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const some = Math.min(100, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: some }, () => openConnection(address)))));
  }
  for (const socket of sockets) {
    socket.on("error", () => {});
  }
  return sockets;
}

for (const listener of ["REST", "gRPC"] as const) {
  test(`REQ-37 ${IDLE_CONNECTIONS} idle connections to ${listener} leave room for others`, async () => {
    const address = listener === "REST" ? server.url : server.grpcAddr;
    await withstand(server, async () => {
      const sockets = await openMany(address, IDLE_CONNECTIONS);
      await sleep(1000);
      // Whoever lets them in must not have thrown them out: then they would not have been there at all.
      assert.ok(sockets.filter((socket) => !socket.destroyed).length >= IDLE_CONNECTIONS / 2);
      for (const socket of sockets) {
        socket.destroy();
      }
    });
  });
}

test("REQ-37 heads that arrive byte by byte are cut off after some seconds with an answer, others are served", async () => {
  const head = `POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nX-Slow: ${"a".repeat(10_000)}`;
  const results = await withstand(server, async () => {
    const sockets = await openMany(server.url, SLOW_CONNECTIONS);
    return Promise.all(sockets.map((socket) => drip(socket, head)));
  });
  for (const result of results) {
    assertRefused(result, "deadline_exceeded");
  }
});

/** Sends a text one byte at a time until the other side has enough of it. */
async function drip(socket: Socket, text: string): Promise<Exchange> {
  const chunks: Buffer[] = [];
  let closed = false;
  const close = (): void => {
    closed = true;
  };
  socket
    .on("data", (chunk: Buffer) => chunks.push(chunk))
    .on("end", close)
    .on("close", close);
  const deadline = performance.now() + SLOW_HEAD_MS;
  for (let at = 0; at < text.length && !closed && performance.now() < deadline; at++) {
    socket.write(text.charAt(at));
    await sleep(500);
  }
  const wasClosed = closed;
  socket.destroy();
  return { text: Buffer.concat(chunks).toString("latin1"), sent: socket.bytesWritten, closed: wasClosed };
}

const GARBAGE = [
  { what: "a TLS greeting", bytes: "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n" },
  { what: "an HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  { what: "bytes that are no text", bytes: Buffer.from([0xff, 0xfe, 0x00, 0x0d, 0x0a, 0x0d, 0x0a]) },
  { what: "a method that nobody knows", bytes: "FROB /v1/keys HTTP/1.1\r\nHost: a\r\n\r\n" },
  { what: "a version that nobody knows", bytes: "GET /health HTTP/9.9\r\nHost: a\r\n\r\n" },
  { what: "a header without a name", bytes: "GET /health HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n" },
  { what: "a folded header", bytes: "GET /health HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n" },
  { what: "a header with a NUL", bytes: "GET /health HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n" },
  { what: "a space before a header's colon", bytes: "GET /health HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n" },
  {
    what: "two lengths",
    bytes: "POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
  },
  {
    what: "a length and chunks",
    bytes: "POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  },
  { what: "a negative length", bytes: "POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" },
  {
    what: "a length beyond 64 bits",
    bytes: `POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: ${"9".repeat(30)}\r\n\r\n`,
  },
  { what: "an authority for a target", bytes: "GET elsewhere.example:443 HTTP/1.1\r\nHost: a\r\n\r\n" },
  { what: "a target without a path", bytes: "GET ? HTTP/1.1\r\nHost: a\r\n\r\n" },
];

for (const { what, bytes } of GARBAGE) {
  test(`REQ-37 REQ-39 what is not proper HTTP is answered with the error body: ${what}`, async () => {
    assertRefused(await exchange(server.url, [bytes]), "invalid_request");
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
  });
}

test("REQ-39 a request without Host is answered by the same rules as any other", async () => {
  assertRefused(await exchange(server.url, ["GET /v1/keys HTTP/1.1\r\nConnection: close\r\n\r\n"]), "unauthenticated");
});

test("REQ-37 REQ-39 chunks of a body that are none are answered with the error body", async () => {
  const head =
    "POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const chunk of ["zz\r\n{}\r\n", "-1\r\n{}", "fffffffffffffffff\r\n{}", "2\r\n{}zz"]) {
    assertRefused(await exchange(server.url, [withToken(head), chunk]), "invalid_request");
  }
});

const TOO_LONG = [
  { what: "one header", text: `GET /health HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(20_000)}\r\n\r\n` },
  { what: "many headers", text: `GET /health HTTP/1.1\r\nHost: a\r\n${"X: a\r\n".repeat(5000)}\r\n` },
  { what: "the target", text: `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n` },
  { what: "a header without an end", text: `GET /health HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(1_000_000)}` },
];

for (const { what, text } of TOO_LONG) {
  test(`REQ-37 a head of more than 16 KiB is refused with the error body: ${what}`, async () => {
    assertRefused(await withstand(server, () => exchange(server.url, [text])), "payload_too_large");
  });
}

const TARGETS = [
  { target: "http://elsewhere.example/v1/tokens/self", method: "GET" },
  { target: "http://localhost/health", method: "GET" },
  { target: "//elsewhere.example/v1/tokens/self", method: "GET" },
  { target: "*", method: "OPTIONS" },
  { target: "*", method: "GET" },
];

for (const { target, method } of TARGETS) {
  test(`COSMIAN-2026-009 CVE-2026-33186 the request target ${method} ${target} names no operation`, async () => {
    const text = `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    assertRefused(await exchange(server.url, [text]), "unauthenticated");
    assertRefused(await exchange(server.url, [withToken(text)]), "unknown_operation");
  });
}

test("COSMIAN-2026-009 CONNECT opens no tunnel and is answered with the error body", async () => {
  const text = "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n";
  assertRefused(await exchange(server.url, [withToken(text), "SSH-2.0-none\r\n"]), "method_not_allowed");
});

for (const upgrade of ["websocket", "h2c", "TLS/1.0"]) {
  test(`REQ-37 nobody leaves HTTP/1.1: a wish to upgrade to ${upgrade} is passed over`, async () => {
    const text = `GET /v1/tokens/self HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: ${upgrade}\r\n\r\n`;
    const { status, body } = readAnswer(await exchange(server.url, [withToken(text)]));
    assert.equal(status, 200);
    assert.equal(JSON.parse(body).role, "root");
  });
}

test("REQ-39 an expectation that the server does not know is passed over", async () => {
  const text = "GET /v1/tokens/self HTTP/1.1\r\nHost: a\r\nExpect: the-impossible\r\nConnection: close\r\n\r\n";
  assert.equal(readAnswer(await exchange(server.url, [withToken(text)])).status, 200);
  assertRefused(await exchange(server.url, [text]), "unauthenticated");
});

test("CVE-2026-33186 a request that is smuggled in a body is never taken for a request", async () => {
  const inner = withToken("GET /v1/tokens/self HTTP/1.1\r\nHost: a\r\n\r\n");
  const head = `POST /v1/nothing HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${inner.length}\r\n`;
  const { text } = await exchange(server.url, [withToken(`${head}\r\n`), inner], { waitMs: 2000 });
  assert.equal(text.match(/HTTP\/1\.1 \d/g)?.length, 1, text);
  assert.match(text, /^HTTP\/1\.1 404 /);
});
