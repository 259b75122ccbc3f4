import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { test } from "node:test";
import { httpRequest } from "../targets/target.ts";
import type { Job, JobResult, PreparedRequest } from "./job.ts";
import { runJob } from "./run-job.ts";

const POST = httpRequest("POST", "/", {}, { n: 1 }, '"good":true');
const CALL: PreparedRequest = {
  path: "/Service/Method",
  token: "token",
  bytes: Buffer.from("question").toString("base64"),
  expected: Buffer.from("answer").toString("base64"),
};

test("HTTP answers with a 2xx status and the expected field are counted, in pieces too", async () => {
  const result = await loadHttp((_, response) => {
    response.writeHead(201, { "content-length": 13 });
    response.write('{"good":');
    setTimeout(() => response.end("true}"), 5);
  });
  assert.equal(result.errors, 0);
  assert.ok(result.requests > 2 && result.requestsPerSecond > 0 && result.p99 >= 4);
});

test("an HTTP error is an error even if it has the expected field", async () => {
  const result = await loadHttp((_, response) => {
    response.writeHead(503, { "content-length": 13 }).end('{"good":true}');
  });
  assert.equal(result.errors, 2);
  assert.match(result.firstError, /503/);
});

test("an HTTP success without the expected field is an error", async () => {
  const result = await loadHttp((_, response) => {
    response.writeHead(200, { "content-length": 2 }).end("{}");
  });
  assert.equal(result.errors, 2);
});

test("a closed HTTP connection is an error", async () => {
  const result = await loadHttp((request) => request.destroy());
  assert.equal(result.errors, 2);
});

test("gRPC answers with status 0 and the expected bytes are counted", async () => {
  const result = await loadGrpc("answer", "0");
  assert.equal(result.errors, 0);
  assert.ok(result.requests > 2);
});

test("a gRPC answer with another status or without the expected bytes is an error", async () => {
  assert.equal((await loadGrpc("answer", "7")).errors, 2);
  assert.equal((await loadGrpc("nothing", "0")).errors, 2);
});

test("answers of a gRPC stream are counted one by one, in pieces too", async () => {
  const result = await loadStream((stream) => {
    stream.on("data", () => {
      stream.write(frame("answer").subarray(0, 7));
      setTimeout(() => stream.write(frame("answer").subarray(7)), 5);
    });
  });
  assert.equal(result.errors, 0);
  assert.ok(result.requests > 2 && result.p99 >= 4);
});

test("a wrong answer in a gRPC stream is an error, and so is its end, with the status that it had", async () => {
  assert.equal((await loadStream((stream) => stream.on("data", () => stream.write(frame("nothing"))))).errors, 2);
  const refused = await loadStream((stream) => stream.on("data", () => stream.end()));
  assert.equal(refused.errors, 2);
  assert.match(refused.firstError, /grpc-status 7/);
});

async function loadHttp(listener: RequestListener): Promise<JobResult> {
  return load(createServer(listener), "http1", POST);
}

async function loadGrpc(message: string, status: string): Promise<JobResult> {
  return load(
    grpcServer((stream) => stream.end(frame(message)), status),
    "grpc",
    CALL,
  );
}

async function loadStream(serve: (stream: ServerHttp2Stream) => void): Promise<JobResult> {
  return load(grpcServer(serve, "7"), "grpc-stream", CALL);
}

/** @param status What ends each stream. */
function grpcServer(serve: (stream: ServerHttp2Stream) => void, status: string): Server {
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
    serve(stream);
  });
  return server;
}

function frame(message: string): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]);
}

async function load(server: Server, protocol: Job["protocol"], request: PreparedRequest): Promise<JobResult> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return await runJob({ protocol, address, connections: 2, warmUpMs: 0, durationMs: 100, request });
  } finally {
    server.close();
  }
}
