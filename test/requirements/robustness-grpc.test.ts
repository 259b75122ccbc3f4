import assert from "node:assert/strict";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ErrorDetailSchema } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { exchange } from "./raw-exchange.ts";
import { withstand } from "./withstand.ts";

const MIB = 1024 * 1024;
const ENCRYPT = "/bunkms.v1.KeyService/Encrypt";
const ATTACKERS = 4;
/** A call that has no status by then is one that the server left hanging. */
const WAIT_MS = 10_000;
/** gRPC status codes (google.rpc.Code). */
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAUTHENTICATED = 16;

let server: TestServer;

before(async () => {
  server = await startServer({ args: ["--log-level", "error"] });
});

after(() => server.remove());

interface GrpcEnd {
  readonly httpStatus: number | undefined;
  readonly status: number | undefined;
  readonly message: string;
  /** The contract's code in the status details; undefined without details. */
  readonly code: string | undefined;
}

type RawHeaders = Readonly<Record<string, string>>;

/** A message in gRPC's framing: a flag (1: compressed), four bytes of length, the bytes. */
function framed(message: Buffer, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

function openSession({ grpcAddr }: TestServer = server): ClientHttp2Session {
  return connect(`http://${grpcAddr}`).on("error", () => {});
}

function openCall(session: ClientHttp2Session, headers: RawHeaders = {}): ClientHttp2Stream {
  const fixed = { ":method": "POST", ":path": ENCRYPT, "content-type": "application/grpc", te: "trailers" };
  return session.request({ ...fixed, ...headers }, { endStream: false }).on("error", () => {});
}

/** One call whose body is sent as it is. @param ends Whether the caller says that it has sent all. */
async function call(body: Buffer, headers: RawHeaders = {}, { ends = true } = {}): Promise<GrpcEnd> {
  const session = openSession();
  const stream = openCall(session, { authorization: `Bearer ${server.rootToken}`, ...headers });
  let fields: IncomingHttpHeaders = {};
  for (const event of ["response", "trailers"]) {
    stream.on(event, (more: IncomingHttpHeaders) => {
      fields = { ...fields, ...more };
    });
  }
  stream.resume();
  const ended = new Promise((resolve) => {
    stream.once("end", resolve);
    stream.once("close", resolve);
  });
  stream.write(body);
  if (ends) {
    stream.end();
  }
  await Promise.race([ended, sleep(WAIT_MS, undefined, { ref: false })]);
  session.destroy();
  const details = fields["grpc-status-details-bin"];
  return {
    httpStatus: fields[":status"] === undefined ? undefined : Number(fields[":status"]),
    status: fields["grpc-status"] === undefined ? undefined : Number(fields["grpc-status"]),
    message: decodeURIComponent(String(fields["grpc-message"] ?? "")),
    code: typeof details === "string" ? codeIn(details) : undefined,
  };
}

/** Of what follows the name of ErrorDetail's type in google.rpc.Status, only its own fields are read. */
function codeIn(details: string): string {
  const bytes = Buffer.from(details, "base64");
  const name = Buffer.from(ErrorDetailSchema.typeName);
  // One byte of tag and one of length come before the message.
  return fromBinary(ErrorDetailSchema, bytes.subarray(bytes.indexOf(name) + name.length + 2)).code;
}

const OVERSIZED = [
  { what: "a prefix that announces 3 GB", body: framed(Buffer.alloc(10), { length: 3_000_000_000 }), ends: false },
  {
    what: "a prefix that announces all that 32 bits can",
    body: framed(Buffer.alloc(10), { length: 0xffff_ffff }),
    ends: false,
  },
  { what: "a message of 8 MiB", body: framed(Buffer.alloc(8 * MIB)), ends: true },
  {
    what: "a compressed message that is 128 MiB inside",
    body: framed(gzipSync(Buffer.alloc(128 * MIB)), { flag: 1 }),
    ends: true,
  },
];

for (const { what, body, ends } of OVERSIZED) {
  test(`REQ-37 gRPC refuses what is too large, from little memory: ${what}`, async () => {
    const results = await withstand(server, () =>
      Promise.all(Array.from({ length: ATTACKERS }, () => call(body, { "grpc-encoding": "gzip" }, { ends }))),
    );
    for (const { status } of results) {
      assert.equal(status, RESOURCE_EXHAUSTED);
    }
  });

  test(`REQ-39 gRPC names the contract's code for what is too large: ${what}`, async () => {
    const { code, message } = await call(body, { "grpc-encoding": "gzip" }, { ends });
    assert.equal(code, "payload_too_large", message);
  });
}

const HEALTH = "/grpc.health.v1.Health";
const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

for (const path of [ENCRYPT, `${HEALTH}/Check`, `${HEALTH}/Watch`, REFLECTION, "/no.such.Service/Method"]) {
  test(`REQ-37 unfinished messages of strangers are not kept in memory: ${path}`, async () => {
    // Of its own, since memory that an earlier attack had made resident would hide what this one takes.
    const fresh = await startServer({ args: ["--log-level", "error"] });
    try {
      await withstand(fresh, async () => {
        const sessions = Array.from({ length: 10 }, () => openSession(fresh));
        for (const session of sessions) {
          for (let i = 0; i < 60; i++) {
            openCall(session, { ":path": path }).write(framed(Buffer.alloc(1_000_000), { length: 1_000_001 }));
          }
        }
        await sleep(2000);
        for (const session of sessions) {
          session.destroy();
        }
      });
    } finally {
      await fresh.remove();
    }
  });
}

test("REQ-37 a stranger is refused before he has sent his message", async () => {
  const start = framed(Buffer.alloc(1000), { length: 1_000_000 });
  const end = await Promise.race([call(start, { authorization: "" }, { ends: false }), sleep(5000)]);
  assert.equal(end?.status, UNAUTHENTICATED);
  assert.equal(end?.code, "unauthenticated");
});

/** The bytes as a pair of the context. */
function pairOf(bytes: Buffer): Buffer {
  return Buffer.from(new BinaryWriter().tag(6, WireType.LengthDelimited).bytes(bytes).finish());
}

const MALFORMED = [
  { what: "no Protobuf", message: Buffer.from("zzzzzzzz") },
  { what: "a million nested groups of a known number", message: Buffer.alloc(1_000_000, 0x0b) },
  { what: "a million nested groups of an unknown number", message: Buffer.alloc(1_000_000, 0x7b) },
  { what: "a field that ends beyond the message", message: Buffer.from([0x0a, 0x7f, 0x61]) },
  { what: "a field of 4 GB", message: Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x61]) },
  { what: "a text that is no UTF-8", message: Buffer.from([0x0a, 0x02, 0xc0, 0xaf]) },
  { what: "a field that the operation does not know", message: Buffer.from([0x0a, 0x01, 0x6b, 0x78, 0x01]) },
  { what: "a field of another type", message: Buffer.from([0x08, 0x01]) },
  { what: "half a million names of the key", message: Buffer.alloc(1_000_000, Buffer.from([0x0a, 0x00])) },
  { what: "half a million pairs", message: Buffer.alloc(1_000_000, Buffer.from([0x32, 0x00])) },
  { what: "a pair of half a million names", message: pairOf(Buffer.alloc(1_000_000, Buffer.from([0x0a, 0x00]))) },
  { what: "half a million unknown fields", message: Buffer.alloc(1_000_000, Buffer.from([0x78, 0x00])) },
];

for (const { what, message } of MALFORMED) {
  test(`REQ-37 REQ-39 gRPC refuses a message that is none with invalid_request: ${what}`, async () => {
    const { status, code, message: text } = await withstand(server, () => call(framed(message)));
    assert.deepEqual([status, code], [INVALID_ARGUMENT, "invalid_request"]);
    assert.doesNotMatch(text, /tag|EOF|wire|recursion|varint/i, "a library's text reaches the caller");
  });
}

const MISUSED = [
  { what: "a gzip that is none", body: framed(Buffer.from("none"), { flag: 1 }), headers: { "grpc-encoding": "gzip" } },
  {
    what: "an encoding that nobody knows",
    body: framed(Buffer.from("x"), { flag: 1 }),
    headers: { "grpc-encoding": "br" },
  },
  { what: "two messages", body: Buffer.concat([framed(Buffer.alloc(0)), framed(Buffer.alloc(0))]), headers: {} },
  { what: "no message", body: Buffer.alloc(0), headers: {} },
  { what: "half a message", body: framed(Buffer.alloc(3), { length: 100 }), headers: {} },
  { what: "a deadline that is none", body: framed(Buffer.alloc(0)), headers: { "grpc-timeout": "soon" } },
  {
    what: "a method that nobody knows",
    body: framed(Buffer.alloc(0)),
    headers: { ":path": "/bunkms.v1.KeyService/No" },
  },
  { what: "a path with two slashes", body: framed(Buffer.alloc(0)), headers: { ":path": `/${ENCRYPT}` } },
  { what: "a path with a query", body: framed(Buffer.alloc(0)), headers: { ":path": `${ENCRYPT}?a=b` } },
];

for (const { what, body, headers } of MISUSED) {
  test(`REQ-37 gRPC ends a misused call with a status and goes on: ${what}`, async () => {
    const { status } = await withstand(server, () => call(body, headers));
    assert.ok([INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL].includes(status ?? -1), String(status));
  });
}

test("CVE-2026-33186 gRPC paths without their leading slash reach nothing", async () => {
  for (const path of [ENCRYPT.slice(1), "*", "", `http://elsewhere.example${ENCRYPT}`, `/x${ENCRYPT}`, `${ENCRYPT}/`]) {
    const { status, code } = await call(framed(Buffer.from([0x0a, 0x01, 0x6b])), { ":path": path });
    // HTTP/2 itself resets some of them.
    const refused = status === UNIMPLEMENTED && code === "unknown_operation";
    assert.ok(refused || (status === undefined && code === undefined), `${path}: ${status} ${code}`);
  }
});

test("REQ-37 other content types are refused on the gRPC port", async () => {
  for (const type of ["text/plain", "application/json", "application/x-www-form-urlencoded", ""]) {
    assert.equal((await call(framed(Buffer.alloc(0)), { "content-type": type })).httpStatus, 415, type);
  }
});

test("REQ-37 what is not HTTP/2 is turned away from the gRPC port", async () => {
  for (const bytes of ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x00\xa5\x01", "\0".repeat(1000)]) {
    assert.ok((await exchange(server.grpcAddr, [bytes])).closed);
  }
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  // A SETTINGS frame that announces 16 MiB of settings, and a DATA frame of a stream that was never opened.
  for (const frame of [Buffer.from("ffffff040000000000", "hex"), Buffer.from("000001000000000007ff", "hex")]) {
    assert.ok((await exchange(server.grpcAddr, [preface, Buffer.from("000000040000000000", "hex"), frame])).closed);
  }
});

test("REQ-37 thousands of calls that are reset at once cost little", async () => {
  await withstand(server, async () => {
    for (let round = 0; round < 20; round++) {
      const session = openSession();
      for (let i = 0; i < 200; i++) {
        const stream = openCall(session);
        stream.write(framed(Buffer.alloc(100)));
        stream.close();
      }
      await sleep(50);
      session.destroy();
    }
  });
});

test("REQ-37 a megabyte of metadata is refused without being kept", async () => {
  await withstand(server, async () => {
    const { status, httpStatus } = await call(framed(Buffer.alloc(0)), { "x-large": "a".repeat(1_000_000) });
    assert.ok(status !== 0 && httpStatus !== 500, `${httpStatus} ${status}`);
  });
});

test("REQ-06 metadata that is refused for its characters is in no log, with whatever token it has", async () => {
  const secret = "bkms_t_nobody-shall-read-this";
  const { status } = await call(framed(Buffer.alloc(0)), { authorization: `Bearer ${secret}\u00e9` });
  assert.equal(status, UNAUTHENTICATED);
  assert.ok(!server.output().includes(secret), server.output());
});
