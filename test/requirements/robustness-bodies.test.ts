import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib";
import { ERRORS, type ErrorCode } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Exchange, exchange, readAnswer } from "./raw-exchange.ts";
import { withstand } from "./withstand.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const PIECE = Buffer.alloc(64 * 1024, 0x20);
/** So much of what is sent may lie in the buffers of both ends when the server ends the connection. */
const MAX_SENT = 64 * MIB;
const ATTACKERS = 8;

let server: TestServer;

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
});

after(() => server.remove());

function head(...headers: readonly string[]): string {
  const lines = ["POST /v1/encrypt/k HTTP/1.1", "Host: localhost", "Content-Type: application/json", ...headers];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function token(): string {
  return `Authorization: Bearer ${server.rootToken}`;
}

/** Whether an answer has come with the whole of its JSON. */
function isEnough(text: string): boolean {
  return text.endsWith("}");
}

/** Sends a body to an operation that takes one MiB, of a larger one no more than two MiB, and reads the answer. */
function send(body: Buffer | string, ...headers: readonly string[]): Promise<Exchange> {
  const bytes = Buffer.from(body);
  const start = head(token(), `Content-Length: ${bytes.length}`, ...headers);
  return exchange(server.url, [start, bytes.subarray(0, 2 * MIB)], { isEnough });
}

function assertRefused(result: Exchange, code: ErrorCode): void {
  const answer = readAnswer(result);
  const body = JSON.parse(answer.body) as Record<string, unknown>;
  assert.deepEqual([answer.status, body["code"]], [ERRORS[code].http, code], answer.body);
  assert.deepEqual(Object.keys(body).sort(), ["code", "error", "request_id"]);
  assert.equal(body["request_id"], answer.headers.get("x-request-id"));
}

/** A body of one GiB, in HTTP chunks if it is to have no length. */
function* gigabyte(start: string, chunked: boolean): Generator<string | Buffer> {
  yield start;
  const piece = chunked ? Buffer.concat([Buffer.from("10000\r\n"), PIECE, Buffer.from("\r\n")]) : PIECE;
  for (let sent = 0; sent < GIB; sent += PIECE.length) {
    yield piece;
  }
}

const BODIES = [
  { form: "with a content length", chunked: false, header: `Content-Length: ${GIB}` },
  { form: "in chunks", chunked: true, header: "Transfer-Encoding: chunked" },
];

for (const { form, chunked, header } of BODIES) {
  test(`REQ-37 bodies of 1 GB ${form} are cut off, while others are served from little memory`, async () => {
    const start = head(token(), header);
    const results = await withstand(server, () =>
      Promise.all(Array.from({ length: ATTACKERS }, () => exchange(server.url, gigabyte(start, chunked)))),
    );
    for (const { sent, closed } of results) {
      assert.ok(closed);
      assert.ok(sent < MAX_SENT, `the server took ${sent} bytes`);
    }
  });

  test(`REQ-37 who begins a body of 1 GB ${form} is told payload_too_large, a stranger unauthenticated`, async () => {
    const begin = (...headers: readonly string[]): Promise<Exchange> =>
      exchange(server.url, gigabyte(head(header, ...headers), chunked).take((2 * MIB) / PIECE.length));
    for (const [result, code] of [
      [await begin(token()), "payload_too_large"],
      [await begin(), "unauthenticated"],
    ] as const) {
      assertRefused(result, code);
      assert.ok(result.closed, "the connection stays open for the rest of the body");
    }
  });
}

for (const connection of ["keep-alive", "close"]) {
  test(`REQ-37 who sends a body that is too large before he reads is told why it was refused: Connection: ${connection}`, async () => {
    async function* parts(): AsyncGenerator<string | Buffer> {
      yield head(token(), `Content-Length: ${2 * MIB}`, `Connection: ${connection}`);
      for (let sent = 0; sent < 2 * MIB; sent += PIECE.length) {
        // So that the refusal comes while there is still something to send.
        await sleep(10);
        yield PIECE;
      }
    }
    const results = await Promise.all(
      Array.from({ length: ATTACKERS }, () => exchange(server.url, parts(), { isEnough, readsLast: true })),
    );
    for (const result of results) {
      assertRefused(result, "payload_too_large");
    }
  });
}

test("REQ-37 JSON nested 10,000 and 100,000 deep is refused, closed or not", async () => {
  const openings = ["[", '{"a":', '{"plaintext":[', '{"context":{"a":'];
  await withstand(server, async () => {
    for (const [opening, depth] of openings.flatMap((text) => [[text, 10_000] as const, [text, 100_000] as const])) {
      const open = opening.repeat(depth);
      const closing = [...opening].reverse().map((c) => (c === "[" ? "]" : c === "{" ? "}" : ""));
      for (const body of [open, `${open}0${closing.join("").repeat(depth)}`]) {
        assertRefused(await send(body), body.length > MIB ? "payload_too_large" : "invalid_request");
      }
    }
  });
});

test("REQ-37 CVE-2025-6203 JSON with 10^6 keys is refused, and so are the most keys that fit into a request", async () => {
  const object = (count: number, name: (i: number) => string): string =>
    `{${Array.from({ length: count }, (_, i) => `"${name(i)}":0`).join()}}`;
  const most = object(110_000, (i) => i.toString(36));
  assert.ok(most.length < MIB && most.length > 0.8 * MIB);
  await withstand(server, async () => {
    assertRefused(await send(object(1_000_000, (i) => i.toString(36))), "payload_too_large");
    for (const body of [
      most,
      `{"context":${most}}`,
      object(110_000, () => "same"),
      `{"plaintext":[${"0,".repeat(500_000)}0]}`,
    ]) {
      assertRefused(await send(body), "invalid_request");
    }
  });
});

const COSTLY = [
  { what: "half a megabyte of escaped quotes", text: `{"plaintext":"${'\\"'.repeat(250_000)}` },
  { what: "an odd number of backslashes", text: `{"plaintext":"${"\\".repeat(1_000_001)}"}` },
  {
    what: "long names and values of backslashes",
    text: `{"a${"\\\\".repeat(200_000)}":"b${"\\\\".repeat(200_000)}"}`,
  },
  { what: "a number of a million digits", text: `{"plaintext":${"9".repeat(1_000_000)}}` },
  { what: "a million spaces", text: `{${" ".repeat(1_000_000)}` },
  { what: "a million quotes", text: '"'.repeat(1_000_000) },
  {
    what: "long names that differ at their end",
    text: `{${Array.from({ length: 9000 }, (_, i) => `"${"x".repeat(90)}${i}":0`).join()}}`,
  },
  { what: "an unfinished escape", text: '{"plaintext":"\\u' },
];

for (const { what, text } of COSTLY) {
  test(`CVE-2025-6203 a small body costs little memory and keeps nobody waiting: ${what}`, async () => {
    const results = await withstand(server, () => Promise.all(Array.from({ length: ATTACKERS }, () => send(text))));
    for (const result of results) {
      assertRefused(result, "invalid_request");
    }
  });
}

const ENCODINGS = [
  { encoding: "gzip", compress: (bytes: Buffer) => gzipSync(bytes) },
  { encoding: "deflate", compress: (bytes: Buffer) => deflateSync(bytes) },
  {
    encoding: "br",
    compress: (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  },
];

for (const { encoding, compress } of ENCODINGS) {
  test(`REQ-37 a decompression bomb is refused unopened, as is any compressed body: ${encoding}`, async () => {
    const bomb = compress(Buffer.alloc(128 * MIB, 0x20));
    assert.ok(bomb.length < MIB);
    const honest = compress(Buffer.from('{"plaintext":"x"}'));
    await withstand(server, async () => {
      assertRefused(await send(bomb, `Content-Encoding: ${encoding}`), "unsupported_media_type");
      assertRefused(await send(honest, `Content-Encoding: ${encoding}`), "unsupported_media_type");
    });
  });
}
