import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { SignBatchRequestSchema } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

let server: TestServer;
let transports: readonly Transport[];
let reader: string;

before(async () => {
  server = await startServer({ args: ["--log-level", "silent"] });
  transports = bothTransports(server);
  reader = await makeToken("reader");
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

async function makeToken(role: string): Promise<string> {
  const request = { display_name: "hostile", role };
  return String(
    (await transports[0]?.call(operationOf("tokens.create"), request, { token: server.rootToken }))?.value["token"],
  );
}

async function open(text = ""): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(text);
  return socket;
}

function head(token: string, path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
}

async function rootIsServed(): Promise<void> {
  for (const transport of transports) {
    const answer = await transport.call(operationOf("keys.list"), {}, { token: server.rootToken });
    assert.equal(answer.code, "ok", answer.text);
  }
}

test("REQ-37 a stranger who asks for a tunnel and resets the connection does not end the server", async () => {
  for (let i = 0; i < 100; i++) {
    const socket = await open("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
    await sleep(i % 3);
    socket.resetAndDestroy();
  }
  await rootIsServed();
});

test("REQ-23 a token that is revoked while its request arrives does nothing any more", async () => {
  const request = { display_name: "late", role: "admin" };
  const { value } = await (transports[0] as Transport).call(operationOf("tokens.create"), request, {
    token: server.rootToken,
  });
  const body = '{"name":"made-too-late"}';
  const socket = await open(head(String(value["token"]), "/v1/keys", body.length) + body.slice(0, 3));
  await sleep(200);
  const revoked = await transports[0]?.call(
    operationOf("tokens.revoke"),
    { id: value["id"] as string },
    {
      token: server.rootToken,
    },
  );
  assert.equal(revoked?.code, "ok");
  socket.write(body.slice(3));
  const answer = String(await new Promise((resolve) => socket.once("data", resolve)));
  assert.match(answer, /^HTTP\/1\.1 401 /);
  socket.destroy();
  const key = await transports[0]?.call(
    operationOf("keys.get"),
    { name: "made-too-late" },
    { token: server.rootToken },
  );
  assert.equal(key?.code, "not_found");
});

test("REQ-37 one token's unfinished requests do not keep others out over REST", async () => {
  const sockets = await Promise.all(
    Array.from({ length: 1100 }, () => open(`${head(reader, "/v1/encrypt/none", 1_000_000)}{`)),
  );
  await sleep(500);
  await rootIsServed();
  for (const socket of sockets) {
    socket.destroy();
  }
});

test("REQ-37 one token's unfinished messages over gRPC take bounded memory and keep nobody out", async () => {
  const before = await residentMiB();
  const prefix = Buffer.from([0, 0, 0x10, 0, 0]);
  const sessions = Array.from({ length: 10 }, () => connectHttp2(`http://${server.grpcAddr}`));
  for (const session of sessions) {
    session.on("error", () => {});
    for (let i = 0; i < 60; i++) {
      const stream = session.request({
        ":method": "POST",
        ":path": "/bunkms.v1.KeyService/Encrypt",
        "content-type": "application/grpc",
        te: "trailers",
        authorization: `Bearer ${reader}`,
      });
      stream.on("error", () => {});
      stream.write(Buffer.concat([prefix, Buffer.alloc(1_000_000)]));
    }
  }
  await sleep(2500);
  await rootIsServed();
  const grown = (await residentMiB()) - before;
  // A quarter of the places, each with a megabyte, and what the buffers cost beside; 600 streams would be 680 MiB.
  assert.ok(grown < 450, `resident memory grew by ${grown} MiB`);
  for (const session of sessions) {
    session.destroy();
  }
});

test("REQ-37 who asks by reflection and does not read his answers keeps nobody waiting", async () => {
  const before = await residentMiB();
  const session = connectHttp2(`http://${server.grpcAddr}`);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": REFLECTION,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: `Bearer ${reader}`,
  });
  stream.on("error", () => {});
  // ServerReflectionRequest {file_containing_symbol = "bunkms.v1.KeyService"}.
  const symbol = Buffer.from("bunkms.v1.KeyService");
  const message = Buffer.concat([Buffer.from([0x22, symbol.length]), symbol]);
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  stream.write(Buffer.concat(Array.from({ length: 10_000 }, () => frame)));
  await sleep(1000);
  await rootIsServed();
  const grown = (await residentMiB()) - before;
  assert.ok(grown < 100, `resident memory grew by ${grown} MiB`);
  session.destroy();
});

test("REQ-37 a tunnel that its caller keeps open does not keep the server from stopping", async () => {
  const own = await startServer({ args: ["--store", "memory", "--log-level", "silent"] });
  const { hostname, port } = new URL(own.url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.on("error", () => {});
  socket.write("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  assert.equal(await Promise.race([own.stop(), sleep(8000, "still running")]), 0);
  socket.destroy();
  await own.remove();
});

/** A batch of the slowest signatures there are, as many as fit: a minute of work. */
const SLOW_BATCH = { name: "slow", items: Array.from({ length: 140 }, () => ({ message_b64: "AAAA" })) };

const SIGN_BATCH = operationOf("keys.sign_batch");

/** By HTTP/2 itself: a client of grpc-js lets calls end when it is closed. */
function startSlowBatch(session: ClientHttp2Session, token: string): void {
  const stream = session.request({
    ":method": "POST",
    ":path": "/bunkms.v1.KeyBatchService/SignBatch",
    "content-type": "application/grpc",
    te: "trailers",
    authorization: `Bearer ${token}`,
  });
  stream.on("error", () => {});
  const message = toBinary(SignBatchRequestSchema, fromJson(SignBatchRequestSchema, SLOW_BATCH));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
}

async function makeSlowKey(own: TestServer, transport: Transport): Promise<void> {
  const key = { name: "slow", type: "slh-dsa-sha2-256s" };
  assert.equal((await transport.call(operationOf("keys.create"), key, { token: own.rootToken })).code, "ok");
}

test("REQ-37 batches whose callers went away are not worked on, over either transport", async (t) => {
  const own = await startServer({ args: ["--store", "memory", "--log-level", "silent"] });
  t.after(() => own.remove());
  const [rest, other] = bothTransports(own) as [Transport, Transport];
  await makeSlowKey(own, rest);
  const callers = Array.from({ length: 6 }, () => bothTransports(own)[0] as Transport);
  for (const caller of callers) {
    void caller.call(SIGN_BATCH, SLOW_BATCH, { token: own.rootToken });
  }
  const session = connectHttp2(`http://${own.grpcAddr}`);
  session.on("error", () => {});
  for (let i = 0; i < 6; i++) {
    startSlowBatch(session, own.rootToken);
  }
  await sleep(1000);
  closeAll(callers);
  session.destroy();
  await sleep(3000);
  // Nothing is under way any more, but for what is being signed at this moment.
  const before = await cpuSeconds(own.pid);
  await sleep(2000);
  const spent = (await cpuSeconds(own.pid)) - before;
  assert.ok(spent < 1, `${spent} s of processor time in 2 s`);
  for (const transport of [rest, other]) {
    assert.equal((await transport.call(operationOf("keys.list"), {}, { token: own.rootToken })).code, "ok");
  }
  closeAll([rest, other]);
});

test("REQ-37 batches under way do not keep the server from stopping after its time of grace", async (t) => {
  const own = await startServer({ args: ["--store", "memory", "--log-level", "silent"] });
  t.after(() => own.remove());
  const callers = bothTransports(own);
  await makeSlowKey(own, callers[0] as Transport);
  for (const caller of [...callers, ...callers]) {
    void caller.call(SIGN_BATCH, SLOW_BATCH, { token: own.rootToken });
  }
  await sleep(500);
  assert.equal(await Promise.race([own.stop(), sleep(18_000, "still running")]), 0);
  closeAll(callers);
});

test("REQ-37 streams that others hold keep no call out, and one token holds few of them", async () => {
  const sessions = Array.from({ length: 4 }, () => connectHttp2(`http://${server.grpcAddr}`));
  const tokens = await Promise.all(sessions.map(() => makeToken("reader")));
  let refused = 0;
  const streams = sessions.flatMap((session, i) => {
    session.on("error", () => {});
    return Array.from({ length: 60 }, (_, n) => {
      const stream = session.request({
        ":method": "POST",
        ":path": n % 2 === 0 ? "/bunkms.v1.KeyStreamService/VerifyStream" : REFLECTION,
        "content-type": "application/grpc",
        te: "trailers",
        authorization: `Bearer ${tokens[i]}`,
      });
      stream.on("error", () => {});
      stream.on("response", (headers) => {
        refused += headers["grpc-status"] === "8" ? 1 : 0;
      });
      return stream;
    });
  });
  for (let waited = 0; refused < streams.length - 16 && waited < 5000; waited += 50) {
    await sleep(50);
  }
  assert.equal(refused, streams.length - 16);
  await rootIsServed();
  for (const session of sessions) {
    session.destroy();
  }
});

/** Of a process and all its threads. */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
  // utime and stime in hundredths (proc_pid_stat(5), fields 14 and 15).
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function residentMiB(): Promise<number> {
  return Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${server.pid}/status`, "utf8"))?.[1]) / 1024;
}
