import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { HealthCheckResponseSchema, HealthCheckResponse_ServingStatus as Serving } from "@bunkms/contract/descriptors";
import * as grpc from "@grpc/grpc-js";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, restTransport, type Transport } from "./operation-call.ts";

/** Long enough for a stop on a busy machine: the server gives what is in flight 10 seconds. */
const STOP_MS = 60_000;
/** Made one after the other: some seconds in all, which the server must have left of those ten on a busy machine. */
const KEYS_IN_FLIGHT = 2;

/** Runs a test with transports to a server of its own, and removes all at its end. */
async function withServer(act: (server: TestServer, transports: readonly Transport[]) => Promise<void>): Promise<void> {
  const server = await startServer();
  const transports = bothTransports(server);
  try {
    await act(server, transports);
  } finally {
    closeAll(transports);
    await server.remove();
  }
}

/** Waits until the server has ended, and checks that it ended as it should. */
async function endsInOrder(server: TestServer): Promise<void> {
  const end = await Promise.race([server.stop(), sleep(STOP_MS, "not within a minute", { ref: false })]);
  assert.equal(end, 0, server.output());
  assert.match(server.output(), /"msg":"stopped"/);
  const log = join(server.dataPath, "bunkms.db-wal");
  assert.ok(!existsSync(log) || statSync(log).size === 0, "the store was not closed in order");
  assert.deepEqual(
    readdirSync(server.dataPath).filter((file) => /-shm$|-journal$|\.new$/.test(file)),
    [],
  );
}

/** Starts slow creations over both transports, and waits until the server is at work on them. */
async function startSlowCalls(
  server: TestServer,
  transports: readonly Transport[],
): Promise<ReadonlyMap<string, Promise<Answer>>> {
  const calls = new Map<string, Promise<Answer>>();
  for (const transport of transports) {
    for (let i = 0; i < KEYS_IN_FLIGHT; i++) {
      const name = `in-flight-${transport.name}-${i}`;
      const request = { name, type: "rsa-3072" };
      calls.set(
        name,
        transport.call(operationOf("keys.create"), request, { token: server.rootToken, requestId: name }),
      );
    }
  }
  // An answer on each connection, asked for after the creations were: they have arrived.
  for (const transport of transports) {
    await transport.call(operationOf("tokens.get_self"), {}, { token: server.rootToken });
  }
  await sleep(50);
  return calls;
}

async function isRefused(address: string): Promise<boolean> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  const outcome = await Promise.race([
    once(socket, "connect").then(() => "connected"),
    once(socket, "error").then(() => "refused"),
  ]).catch(() => "refused");
  socket.destroy();
  return outcome === "refused";
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`REQ-01 ${signal} lets what is in flight end with success, and it is there after the next start`, async () => {
    await withServer(async (server, transports) => {
      const calls = await startSlowCalls(server, transports);
      process.kill(server.pid, signal);
      // More signals, of either kind, change nothing.
      for (const more of ["SIGTERM", "SIGINT", "SIGHUP", "SIGTERM"] as const) {
        await sleep(20);
        try {
          process.kill(server.pid, more);
        } catch {
          // It has ended already.
        }
      }
      await endsInOrder(server);
      for (const [name, answer] of calls) {
        const { code, text } = await answer;
        assert.equal(code, "ok", `${name}: ${text}`);
      }
      await isThereAgain(server, [...calls.keys()]);
    });
  });
}

/** Starts a server on the same data, and looks for keys and for the entries of their creation. */
async function isThereAgain({ dataPath, configHome }: TestServer, names: readonly string[]): Promise<void> {
  const again = await startServer({ dataPath, configHome });
  const rest = restTransport(again.url);
  try {
    for (const name of names) {
      const sign = await rest.call(operationOf("keys.sign"), { name, message_b64: "" }, { token: again.rootToken });
      assert.equal(sign.code, "ok", `${name}: ${sign.text}`);
    }
    const { entries } = await readTrail(rest, again.rootToken);
    for (const name of names) {
      const made = entries.filter((entry) => entry.request_id === name);
      assert.deepEqual(
        made.map(({ operation, outcome }) => [operation, outcome]),
        [["keys.create", "ok"]],
      );
    }
  } finally {
    rest.close();
    await again.remove();
  }
}

test("REQ-39 while it stops it takes no new connections, and is not ready for whoever is connected", async () => {
  await withServer(async (server, transports) => {
    const calls = await startSlowCalls(server, transports);
    process.kill(server.pid, "SIGTERM");
    const seen: string[] = [];
    let isStopping = true;
    void Promise.all(calls.values()).then(() => {
      isStopping = false;
    });
    const deadline = performance.now() + STOP_MS;
    while (isStopping && performance.now() < deadline) {
      seen.push(await readiness(server.url));
      await sleep(10);
    }
    const refusals = [await isRefused(server.url), await isRefused(`http://${server.grpcAddr}`)];
    // It may have been ready before it noticed the signal, and never again afterwards.
    const first = seen.findIndex((state) => state !== "ready");
    assert.deepEqual(
      seen.slice(Math.max(first, 0)).filter((state) => state === "ready"),
      [],
    );
    for (const state of seen.filter((state) => state !== "ready")) {
      assert.match(state, /^(503 shutting_down|refused)$/);
    }
    assert.deepEqual(refusals, [true, true]);
    await endsInOrder(server);
  });
});

async function readiness(url: string): Promise<string> {
  try {
    const response = await fetch(`${url}/ready`, { headers: { connection: "close" } });
    const { code } = (await response.json()) as { code?: string };
    return response.status === 200 ? "ready" : `${response.status} ${code}`;
  } catch {
    return "refused";
  }
}

test("REQ-39 who had begun to ask whether it is ready when it was stopped is told shutting_down, over gRPC NOT_SERVING", async () => {
  await withServer(async (server) => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.write("GET /ready HTTP/1.1\r\nHost: a\r\n");
    const watcher = new grpc.Client(server.grpcAddr, grpc.credentials.createInsecure());
    const watch = watcher.makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => fromBinary(HealthCheckResponseSchema, bytes).status,
      Buffer.alloc(0),
    );
    const states: Serving[] = [];
    watch.on("data", (state: Serving) => states.push(state)).on("error", () => {});
    await once(watch, "data");

    process.kill(server.pid, "SIGTERM");
    while (!(await isRefused(server.url))) {
      await sleep(10);
    }
    socket.write("\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 503 .*"code":"shutting_down"/s);
    await endsInOrder(server);
    assert.deepEqual(states, [Serving.SERVING, Serving.NOT_SERVING]);
    watcher.close();
  });
});

test("REQ-39 a request on a connection that is open while it stops is served or told shutting_down", async () => {
  await withServer(async (server, transports) => {
    const calls = await startSlowCalls(server, transports);
    process.kill(server.pid, "SIGTERM");
    const codes = new Set<string>();
    const deadline = performance.now() + STOP_MS;
    while (performance.now() < deadline) {
      const answers = await Promise.all(
        transports.map((transport) => transport.call(operationOf("keys.list"), {}, { token: server.rootToken })),
      );
      for (const { code } of answers) {
        codes.add(code);
      }
      if (answers.every(({ code }) => code === "no answer")) {
        break;
      }
    }
    for (const code of codes) {
      assert.ok(["ok", "shutting_down", "no answer"].includes(code), code);
    }
    for (const answer of calls.values()) {
      assert.equal((await answer).code, "ok");
    }
    await endsInOrder(server);
  });
});

test("REQ-37 a caller that never finishes, or never leaves, does not keep the server from stopping", async () => {
  await withServer(async (server, transports) => {
    const { hostname, port } = new URL(server.url);
    const post = "POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n";
    const sockets: Socket[] = [];
    for (const bytes of ["", "GET /v1/keys HTT", `${post}Authorization: Bearer ${server.rootToken}\r\n\r\n{`]) {
      const socket = connect(Number(port), hostname).on("error", () => {});
      await once(socket, "connect");
      socket.write(bytes);
      sockets.push(socket);
    }
    const session = connectHttp2(`http://${server.grpcAddr}`).on("error", () => {});
    const headers = {
      ":method": "POST",
      "content-type": "application/grpc",
      authorization: `Bearer ${server.rootToken}`,
    };
    for (const path of ["/bunkms.v1.KeyService/CreateKey", "/grpc.health.v1.Health/Check", "/no.such.Service/Method"]) {
      session
        .request({ ...headers, ":path": path }, { endStream: false })
        .on("error", () => {})
        .write(Buffer.of(0, 0, 0, 1, 0));
    }
    for (const transport of transports) {
      assert.equal((await transport.call(operationOf("keys.list"), {}, { token: server.rootToken })).code, "ok");
    }
    await sleep(200);
    await endsInOrder(server);
    session.destroy();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
});

test("REQ-01 a write that was answered just before the signal is there after it", async () => {
  await withServer(async (server, transports) => {
    const acknowledged: string[] = [];
    const writers = transports.flatMap((transport) =>
      Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; ; i++) {
          const name = `${transport.name}-${writer}/${i}`;
          const request = { name, value: name };
          const { code } = await transport.call(operationOf("secrets.put"), request, { token: server.rootToken });
          if (code !== "ok") {
            assert.ok(code === "no answer" || code === "shutting_down", code);
            return;
          }
          acknowledged.push(name);
        }
      }),
    );
    await sleep(500);
    await endsInOrder(server);
    await Promise.all(writers);
    assert.ok(acknowledged.length > 0);
    const { dataPath, configHome } = server;
    const again = await startServer({ dataPath, configHome });
    const rest = restTransport(again.url);
    try {
      for (const name of acknowledged) {
        const { value } = await rest.call(operationOf("secrets.get"), { name }, { token: again.rootToken });
        assert.equal(value["value"], name);
      }
    } finally {
      rest.close();
      await again.remove();
    }
  });
});
