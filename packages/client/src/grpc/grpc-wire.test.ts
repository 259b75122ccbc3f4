import assert from "node:assert/strict";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { EncryptBatchResponseSchema, KeySchema } from "@bunkms/contract";
import { createClient } from "../client.ts";
import { BunkmsApiError, ConnectionError, UnexpectedAnswerError } from "../errors.ts";
import type { ClientOptions } from "../options.ts";
import { frameMessage } from "./frames.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const GRPC = { ":status": 200, "content-type": "application/grpc+proto" };
const KEY = frameMessage(toBinary(KeySchema, create(KeySchema, { name: "k", latestVersion: 7 })));

type Behaviour = (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>) => void;

const servers: Http2Server[] = [];
const clients: { close(): void }[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) {
    client.close();
  }
  for (const server of servers.splice(0)) {
    server.close();
  }
});

/** A server that does the behaviours one after the other, the last one from then on, and a client of it. */
async function connect(behaviours: readonly Behaviour[], options: Partial<ClientOptions> = {}) {
  const seen: Readonly<Record<string, unknown>>[] = [];
  const sessions = new Set<unknown>();
  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const behaviour = behaviours[Math.min(seen.length, behaviours.length - 1)] as Behaviour;
    seen.push(headers);
    behaviour(stream as ServerHttp2Stream, headers);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createClient({ url, token: "bkms_x", retry: { firstPauseMs: 1 }, ...options });
  clients.push(client);
  return { client, seen, sessions, url };
}

/** Answers with these chunks and then these trailers. */
function answering(
  chunks: readonly Uint8Array[],
  trailers: Record<string, string> = { "grpc-status": "0" },
): Behaviour {
  return (stream) => {
    stream.respond(GRPC, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    for (const chunk of chunks) {
      stream.write(chunk);
    }
    stream.end();
  };
}

/** Answers with a status and nothing else. */
function refusing(fields: Record<string, string>): Behaviour {
  return (stream) => stream.respond({ ...GRPC, ...fields }, { endStream: true });
}

const ok = answering([KEY]);

const field = (tag: number, bytes: Uint8Array) => Buffer.concat([Buffer.of(tag, bytes.length), bytes]);

/** google.rpc.Status with an ErrorDetail {code, request_id}, and with this RetryInfo if there is one. */
function detail(code: string, requestId: string, retryInfo?: Uint8Array): string {
  const any = (name: string, value: Uint8Array) =>
    field(0x1a, Buffer.concat([field(0x0a, Buffer.from(`type.googleapis.com/${name}`)), field(0x12, value)]));
  const errorDetail = Buffer.concat([field(0x0a, Buffer.from(code)), field(0x12, Buffer.from(requestId))]);
  const details = [
    any("bunkms.v1.ErrorDetail", errorDetail),
    ...(retryInfo === undefined ? [] : [any("google.rpc.RetryInfo", retryInfo)]),
  ];
  return Buffer.concat([Buffer.of(0x08, 0x05), field(0x12, Buffer.from("text")), ...details])
    .toString("base64")
    .replace(/=+$/, "");
}

/** A refusal that may go better later, with this RetryInfo. */
function sealed(retryInfo: Uint8Array): Behaviour {
  return refusing({ "grpc-status": "14", "grpc-status-details-bin": detail("sealed", "r", retryInfo) });
}

/** google.rpc.RetryInfo of a google.protobuf.Duration. */
function retryInfo(duration: MessageInitShape<typeof DurationSchema>): Uint8Array {
  return field(0x0a, toBinary(DurationSchema, create(DurationSchema, duration)));
}

describe("a call over gRPC", () => {
  test("is framed, and carries token, time, request id and idempotency key", async () => {
    const { client, seen } = await connect([ok]);
    const key = await client.keys.createKey({ name: "k" }, { requestId: "job-7", timeoutMs: 5_000 });
    assert.equal(key.latestVersion, 7);
    const [headers = {}] = seen;
    assert.equal(headers[":path"], "/bunkms.v1.KeyService/CreateKey");
    assert.equal(headers["te"], "trailers");
    assert.equal(headers["authorization"], "Bearer bkms_x");
    assert.equal(headers["x-request-id"], "job-7");
    assert.match(String(headers["idempotency-key"]), /^[0-9a-f]{32}$/);
    assert.match(String(headers["grpc-timeout"]), /^(5000|4\d{3})m$/);
    assert.equal(headers["grpc-accept-encoding"], undefined);
  });

  test("is answered however the answer is cut", async () => {
    const bytes = [...KEY].map((byte) => Uint8Array.of(byte));
    const { client } = await connect([answering(bytes), answering([KEY.subarray(0, 5), KEY.subarray(5)])]);
    assert.equal((await client.keys.getKey({ name: "k" })).latestVersion, 7);
    assert.equal((await client.keys.getKey({ name: "k" })).latestVersion, 7);
  });

  test("shares one connection with others, which opens anew when it was lost", async () => {
    const { client, sessions } = await connect([ok, ok, ok, (stream) => stream.session?.destroy(), ok]);
    await Promise.all([1, 2, 3].map(() => client.keys.getKey({ name: "k" })));
    assert.equal(sessions.size, 1);
    await client.keys.getKey({ name: "k" });
    assert.equal(sessions.size, 2);
  });

  test("goes to a new connection after the server said that it closes this one", async () => {
    const goingAway: Behaviour = (stream, headers) => {
      stream.session?.goaway();
      ok(stream, headers);
    };
    const { client, sessions } = await connect([goingAway, ok]);
    await client.keys.getKey({ name: "k" });
    await client.keys.getKey({ name: "k" });
    assert.equal(sessions.size, 2);
  });

  for (const [what, first] of [
    ["UNAVAILABLE", refusing({ "grpc-status": "14" })],
    ["RESOURCE_EXHAUSTED", refusing({ "grpc-status": "8" })],
    ["a stream that is refused", (stream: ServerHttp2Stream) => stream.close(7)],
    [
      "502 of something between",
      (stream: ServerHttp2Stream) => stream.respond({ ":status": 502 }, { endStream: true }),
    ],
  ] as const) {
    test(`is sent again after ${what}`, async () => {
      const { client, seen } = await connect([first, ok]);
      await client.keys.getKey({ name: "k" });
      assert.equal(seen.length, 2);
    });
  }

  test("waits for as long as the server asks", async () => {
    const { client } = await connect([sealed(retryInfo({ nanos: 300_000_000 })), ok]);
    const start = performance.now();
    await client.keys.getKey({ name: "k" });
    assert.ok(performance.now() - start >= 290);
  });

  test("is not sent again when the server asks to wait for longer than there is time", async () => {
    for (const seconds of [60n, 2n ** 63n - 1n]) {
      const { client, seen } = await connect([sealed(retryInfo({ seconds })), ok], { timeoutMs: 5_000 });
      await assert.rejects(client.keys.getKey({ name: "k" }), { code: "sealed", retryAfterMs: Number(seconds) * 1000 });
      assert.equal(seen.length, 1);
    }
  });

  test("that takes too long fails, and the next one gets a new connection", async () => {
    const { client, sessions } = await connect([() => {}, ok]);
    await assert.rejects(client.keys.getKey({ name: "k" }, { timeoutMs: 100 }), /no answer within 0\.1 s/);
    await client.keys.getKey({ name: "k" });
    assert.equal(sessions.size, 2);
  });

  test("that takes too long leaves others on its connection alone", async () => {
    const late: Behaviour = (stream, headers) => setTimeout(() => ok(stream, headers), 300);
    const { client } = await connect([late, () => {}], { retry: false });
    const other = client.keys.getKey({ name: "k" });
    await sleep(50);
    await assert.rejects(client.keys.getKey({ name: "k" }, { timeoutMs: 50 }), ConnectionError);
    assert.equal((await other).latestVersion, 7);
  });

  test("that is given up is cancelled at the server, too, and rejects with the caller's reason", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const { client } = await connect([(stream) => stream.on("close", () => resolve(stream.rstCode))]);
    const controller = new AbortController();
    const pending = client.keys.getKey({ name: "k" }, { signal: controller.signal });
    await sleep(50);
    controller.abort(new Error("enough"));
    await assert.rejects(pending, /^Error: enough$/);
    assert.equal(await promise, 8);
  });

  test("fails once the client is closed", async () => {
    const { client } = await connect([ok]);
    await client.keys.getKey({ name: "k" });
    client.close();
    await assert.rejects(client.keys.getKey({ name: "k" }), /the client was closed/);
  });
});

describe("an error over gRPC", () => {
  async function failure(behaviour: Behaviour): Promise<BunkmsApiError> {
    const { client } = await connect([behaviour], { retry: false });
    const error = await client.keys.getKey({ name: "k" }).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof BunkmsApiError, String(error));
    return error;
  }

  test("is the same as over REST: its code, text, request id and status", async () => {
    const trailers = {
      "grpc-status": "9",
      "grpc-message": "it%20is %C3%BCber",
      "grpc-status-details-bin": detail("wrong_key_state", "r-1"),
    };
    for (const behaviour of [refusing(trailers), answering([], trailers)]) {
      const { code, message, requestId, httpStatus, retryable } = await failure(behaviour);
      assert.deepEqual(
        { code, message, requestId, httpStatus, retryable },
        { code: "wrong_key_state", message: "it is über", requestId: "r-1", httpStatus: 409, retryable: false },
      );
    }
  });

  test("may have a code of a newer server", async () => {
    const error = await failure(
      refusing({ "grpc-status": "9", "grpc-status-details-bin": detail("constructor", "r") }),
    );
    assert.deepEqual([error.code, error.httpStatus, error.retryable], ["constructor", 500, false]);
  });

  test("has what its number says, when it has no details, or none of ours", async () => {
    for (const bin of [undefined, "", "!", "CAUS", "GgA", Buffer.alloc(40, 255).toString("base64")]) {
      const details = bin === undefined ? {} : { "grpc-status-details-bin": bin };
      const error = await failure(refusing({ "grpc-status": "5", "x-request-id": "r-2", ...details }));
      assert.deepEqual([error.code, error.httpStatus, error.requestId], ["not_found", 404, "r-2"]);
    }
    assert.deepEqual((await failure(refusing({ "grpc-status": "99" }))).code, "internal");
  });

  test("keeps its details when the time to wait makes no sense", async () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.of(0x0a, 0x05),
      field(0x0a, Buffer.of(0xff)),
      retryInfo({ seconds: -1n }),
      retryInfo({ nanos: -1_000_000 }),
    ]) {
      const { code, requestId, retryAfterMs } = await failure(sealed(bytes));
      assert.deepEqual([code, requestId, retryAfterMs], ["sealed", "r", undefined], Buffer.from(bytes).toString("hex"));
    }
    assert.equal((await failure(sealed(retryInfo({})))).retryAfterMs, 0);
  });

  test("has a text of one line, and no code or request id that BunKMS does not give", async () => {
    const foreign = detail("x\n", "r");
    const error = await failure(
      refusing({
        "grpc-status": "5",
        "grpc-message": "a%0Ab%1B[2J",
        "grpc-status-details-bin": foreign,
        "x-request-id": "a b",
      }),
    );
    assert.deepEqual([error.code, error.message, error.requestId], ["not_found", "a\\nb\\x1b[2J", ""]);
  });

  test("of which the message is not well encoded keeps it as it is", async () => {
    assert.equal((await failure(refusing({ "grpc-status": "5", "grpc-message": "100%" }))).message, "100%");
  });
});

describe("an answer that is none", () => {
  const compressed = Buffer.from(KEY);
  compressed[0] = 1;
  const html: Behaviour = (stream) => {
    stream.respond({ ":status": 200, "content-type": "text/html" });
    stream.end("<html>secret</html>");
  };
  const cases: Readonly<Record<string, Behaviour>> = {
    "of something else": html,
    "of something else, with an error": (stream) => stream.respond({ ":status": 404 }, { endStream: true }),
    "compressed, which nobody offered": answering([compressed]),
    "of more bytes than any": answering([Buffer.from("00ffffffff", "hex")]),
    "cut in a message": answering([KEY.subarray(0, KEY.length - 1)]),
    "cut in a prefix": answering([KEY, KEY.subarray(0, 3)]),
    "of no message": answering([]),
    "of two messages": answering([KEY, KEY]),
    "no Protobuf": answering([frameMessage(Buffer.from("ffffffffff", "hex"))]),
  };
  for (const [what, behaviour] of Object.entries(cases)) {
    test(`is not taken for one: ${what}`, async () => {
      const { client } = await connect([behaviour], { retry: false });
      await assert.rejects(client.keys.getKey({ name: "k" }), (error: Error) => {
        assert.ok(error instanceof UnexpectedAnswerError, String(error));
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    });
  }

  test("is not read on and on: messages without an end, in place of one", async () => {
    let [written, isOpen] = [0, true];
    const endless: Behaviour = (stream) => {
      stream.respond(GRPC);
      stream.on("close", () => {
        isOpen = false;
      });
      const write = (): void => {
        while (isOpen && written < 100_000 && stream.write(KEY)) {
          written += 1;
        }
      };
      stream.on("drain", write);
      write();
    };
    const { client } = await connect([endless], { retry: false });
    await assert.rejects(client.keys.getKey({ name: "k" }), UnexpectedAnswerError);
    assert.ok(written < 100_000, `${written} messages`);
  });

  for (const [what, behaviour] of Object.entries<Behaviour>({
    "without a status": (stream) => {
      stream.respond(GRPC);
      stream.end(KEY);
    },
    "broken off": (stream) => {
      stream.respond(GRPC);
      stream.write(KEY.subarray(0, 7));
      setTimeout(() => stream.session?.destroy(), 20);
    },
  })) {
    test(`is a connection that failed: ${what}`, async () => {
      const { client } = await connect([behaviour], { retry: false });
      await assert.rejects(client.keys.getKey({ name: "k" }), ConnectionError);
    });
  }
});

describe("a stream over gRPC", () => {
  const batch = frameMessage(toBinary(EncryptBatchResponseSchema, create(EncryptBatchResponseSchema, { count: 1 })));
  const items = [{ data: { case: "plaintext", value: "x" } }] as const;
  const request = { keyName: "k", items: [...items] };

  test("takes requests no faster than the server takes them, and answers no faster than they are asked for", async () => {
    const { client } = await connect([
      (stream) => {
        stream.respond(GRPC, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        setTimeout(() => {
          stream.on("data", () => stream.write(batch));
          stream.on("end", () => stream.end());
        }, 300);
      },
    ]);
    let taken = 0;
    const large = { keyName: "k", items: [{ data: { case: "plaintext" as const, value: "x".repeat(100_000) } }] };
    async function* requests() {
      for (; taken < 50; taken++) {
        yield large;
      }
    }
    const answers = client.keyStreams.encryptStream(requests());
    const first = answers.next();
    await sleep(200);
    assert.ok(taken < 10, `${taken} requests of 100 kB were taken by a server that reads none`);
    assert.equal((await first).value?.count, 1);
    for await (const answer of answers) {
      assert.equal(answer.count, 1);
    }
    assert.equal(taken, 50);
  });

  test("keeps nothing of a request that was sent", async () => {
    const { client } = await connect([
      (stream) => {
        stream.respond(GRPC, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.on("data", () => undefined);
        stream.on("end", () => stream.end(batch));
      },
    ]);
    const inMemory = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const count = 6_000;
    let [before, after] = [0, 0];
    async function* requests() {
      for (let sent = 0; sent < count; sent++) {
        if (sent === 1_000) {
          before = inMemory();
        }
        yield request;
      }
      after = inMemory();
    }
    for await (const answer of client.keyStreams.encryptStream(requests())) {
      assert.equal(answer.count, 1);
    }
    assert.ok((after - before) / count < 100, `${after - before} bytes more after ${count} requests`);
  });

  test("ends with what the server says, also when that reads no more of it", async () => {
    const trailers = { "grpc-status": "7", "grpc-message": "no" };
    const answers: Readonly<Record<string, Behaviour>> = {
      "at once": refusing(trailers),
      "after a message": answering([batch], trailers),
    };
    for (const [when, behaviour] of Object.entries(answers)) {
      const { client } = await connect([
        (stream, headers) => {
          stream.pause();
          behaviour(stream, headers);
        },
      ]);
      const large = { keyName: "k", items: [{ data: { case: "plaintext" as const, value: "x".repeat(100_000) } }] };
      async function* requests() {
        for (;;) {
          yield large;
        }
      }
      const read = async () => {
        for await (const answer of client.keyStreams.encryptStream(requests(), { timeoutMs: 5_000 })) {
          assert.equal(answer.count, 1);
        }
      };
      await assert.rejects(read(), { code: "permission_denied" }, when);
    }
  });

  test("that its reader leaves is cancelled, and its source is told", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const { client } = await connect([
      (stream) => {
        stream.respond(GRPC);
        stream.write(batch);
        stream.on("close", () => resolve(stream.rstCode));
      },
    ]);
    let closed = false;
    async function* requests() {
      try {
        for (;;) {
          yield request;
          await sleep(1);
        }
      } finally {
        closed = true;
      }
    }
    for await (const _ of client.keyStreams.encryptStream(requests())) {
      break;
    }
    assert.equal(await promise, 8);
    await sleep(20);
    assert.ok(closed);
  });

  test("ends with the error of its source", async () => {
    const { client } = await connect([(stream) => stream.respond(GRPC)]);
    async function* requests() {
      yield request;
      throw new Error("out of requests");
    }
    await assert.rejects(client.keyStreams.encryptStream(requests()).next(), /^Error: out of requests$/);
  });

  test("ends with the server's error, and is not begun anew", async () => {
    const { client, seen } = await connect([answering([batch], { "grpc-status": "14" })]);
    const answers = client.keyStreams.encryptStream([request]);
    assert.equal((await answers.next()).value?.count, 1);
    await assert.rejects(answers.next(), BunkmsApiError);
    assert.equal(seen.length, 1);
  });

  test("lasts for as long as its options say", async () => {
    const { client } = await connect([(stream) => stream.respond(GRPC)]);
    const answers = client.keyStreams.encryptStream([request], { timeoutMs: 50 });
    await assert.rejects(answers.next(), /no answer within 0\.05 s/);
  });
});
