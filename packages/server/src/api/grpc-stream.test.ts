import assert from "node:assert/strict";
import { connect } from "node:http2";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  BunkmsError,
  type EncryptBatchRequest,
  EncryptBatchRequestSchema,
  EncryptBatchResponseSchema,
  KeyStreamService,
  type OperationSpec,
  readOperations,
  readStreams,
} from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import type { Call } from "../pipeline/call.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Slots } from "../pipeline/slots.ts";
import { converse as conversation, streamPlaces } from "./grpc-conversation.ts";
import { addStreams } from "./grpc-stream.ts";

const PATH = `/${KeyStreamService.typeName}/${KeyStreamService.method.encryptStream.name}`;
const LARGE = "x".repeat(100_000);
const IDLE_MS = 1500;

const server = new grpc.Server();
let client: grpc.Client;
let port: number;
let places = 0;
let runs: string[] = [];

/** Knows one token, refuses the key `none` as a whole, and answers with what it was asked. */
const pipeline = {
  async enter({ token }: Call, slots: Slots) {
    if (token !== "good") {
      throw new BunkmsError("unauthenticated");
    }
    const giveBack = slots.take(token);
    places += 1;
    return () => {
      giveBack();
      places -= 1;
    };
  },
  async run(call: Call): Promise<Message> {
    if (call.token !== "good") {
      runs.push("stranger");
      throw new BunkmsError("unauthenticated");
    }
    const request = (await call.readRequest(call.operation as OperationSpec)) as EncryptBatchRequest;
    runs.push(request.keyName);
    if (request.keyName === "none") {
      throw new BunkmsError("not_found");
    }
    const results = request.items.map(() => ({ ciphertext: request.keyName === "large" ? LARGE : request.keyName }));
    return create(EncryptBatchResponseSchema, { results, count: results.length });
  },
} as unknown as Pipeline;

before(async () => {
  addStreams(server, readStreams(readOperations()), {
    pipeline,
    secure: false,
    places: streamPlaces(),
    idleMs: IDLE_MS,
  });
  port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});

afterEach(async () => {
  for (let waited = 0; places > 0 && waited < 2000; waited += 10) {
    await sleep(10);
  }
  assert.equal(places, 0, "every stream gives its place back");
  runs = [];
});

after(() => {
  client.close();
  server.forceShutdown();
});

function open(token = "good", receipt?: string): grpc.ClientDuplexStream<Uint8Array, Buffer> {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  if (receipt !== undefined) {
    metadata.set("bunkms-receipt", receipt);
  }
  const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  return client.makeBidiStreamRequest(PATH, asIs, (bytes: Buffer) => bytes, metadata);
}

function batch(keyName: string, items = 1): Uint8Array {
  const item = { data: { case: "plaintext", value: "p" } } as const;
  return toBinary(
    EncryptBatchRequestSchema,
    create(EncryptBatchRequestSchema, { keyName, items: Array.from({ length: items }, () => item) }),
  );
}

/** Sends the messages, ends the call, and waits for its status. */
async function converse(
  messages: readonly Uint8Array[],
  token?: string,
  receipt?: string,
): Promise<[number[], grpc.StatusObject]> {
  const call = open(token, receipt);
  const counts: number[] = [];
  call.on("data", (bytes: Buffer) => counts.push(fromBinary(EncryptBatchResponseSchema, bytes).count));
  call.on("error", () => {});
  const status = new Promise<grpc.StatusObject>((resolve) => call.on("status", resolve));
  for (const message of messages) {
    call.write(message);
  }
  call.end();
  return [counts, await status];
}

test("each message is a call of its own, answered in order, and the stream ends well", async () => {
  const [counts, status] = await converse([batch("a", 1), batch("b", 2), batch("c", 3)]);
  assert.equal(status.code, grpc.status.OK);
  assert.deepEqual(counts, [1, 2, 3]);
  assert.deepEqual(runs, ["a", "b", "c"]);
});

test("a wish for receipts, or what is none, is refused: a stream would give none", async () => {
  for (const [word, text] of [
    ["true", "a stream gives no receipts: ask for one later, by the entry's index"],
    ["1", "bunkms-receipt is `true`, for a receipt with the answer, or `false`"],
  ] as const) {
    const [counts, status] = await converse([batch("a")], "good", word);
    assert.deepEqual([counts, status.code, status.details], [[], grpc.status.INVALID_ARGUMENT, text]);
  }
  assert.deepEqual((await converse([batch("a")], "good", "false"))[0], [1]);
});

test("a message that is refused as a whole ends the stream with its error, after the answers before it", async () => {
  const [counts, status] = await converse([batch("a"), batch("none"), batch("b")]);
  assert.equal(status.code, grpc.status.NOT_FOUND);
  assert.deepEqual(counts, [1]);
  assert.deepEqual(runs, ["a", "none"]);
});

test("a message that is none, or has fields that the operation lacks, ends the stream", async () => {
  for (const bad of [Buffer.from([0x0a, 0x7f, 0x61]), Buffer.concat([batch("a"), Buffer.from([0x78, 0x01])])]) {
    const [, status] = await converse([bad]);
    assert.equal(status.code, grpc.status.INVALID_ARGUMENT);
  }
});

test("REQ-32 a stranger is refused before his messages are read, and recorded", async () => {
  const [counts, status] = await converse([batch("a")], "bad");
  assert.equal(status.code, grpc.status.UNAUTHENTICATED);
  assert.deepEqual([counts, runs], [[], ["stranger"]]);
});

test("REQ-37 who does not read his answers is not served further", async () => {
  // By HTTP/2 itself: the client of grpc-js reads ahead.
  const session = connect(`http://127.0.0.1:${port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: "Bearer good",
  });
  stream.on("error", () => {});
  const message = batch("large");
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  stream.write(Buffer.concat(Array.from({ length: 1000 }, () => frame)));
  await sleep(500);
  const answered = runs.length;
  assert.ok(answered > 0 && answered < 10, `${answered} messages of 100 KB were answered`);
  await sleep(200);
  assert.equal(runs.length, answered);
  session.destroy();
});

/** A status, or that there is none yet. */
function statusOf(call: grpc.ClientDuplexStream<Uint8Array, Buffer>): Promise<grpc.StatusObject> {
  call.on("data", () => {});
  call.on("error", () => {});
  return new Promise((resolve) => call.on("status", resolve));
}

test("REQ-37 a stream whose caller says nothing for long ends, and leaves its place to others", async () => {
  const calls = [1, 2, 3, 4].map(() => open());
  const idle = calls.map(statusOf);
  calls[0]?.write(batch("a"));
  for (let waited = 0; places < 4 && waited < 1000; waited += 10) {
    await sleep(10);
  }
  const refused = await statusOf(open());
  assert.equal(refused.code, grpc.status.RESOURCE_EXHAUSTED);
  for (const status of idle) {
    assert.equal((await status).code, grpc.status.DEADLINE_EXCEEDED);
  }
  const [counts, status] = await converse([batch("a")]);
  assert.deepEqual([counts, status.code], [[1], grpc.status.OK]);
});

test("REQ-37 only one message is read ahead of a stream, however many its caller sends", async () => {
  const read: string[] = [];
  let answer = (): void => {};
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const own = new grpc.Server();
  const path = "/test/Hold";
  const asIs = (bytes: Buffer): Buffer => bytes;
  const definition = { path, requestStream: true, responseStream: true } as const;
  const handle = async (call: grpc.ServerDuplexStream<Buffer, Buffer>): Promise<void> => {
    await conversation(call, new AbortController().signal, async (bytes) => {
      await held;
      return bytes;
    });
    call.end();
  };
  own.addService(
    {
      Hold: {
        ...definition,
        requestSerialize: asIs,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    },
    {
      Hold: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        const push = call.push.bind(call);
        call.push = (bytes: Buffer | null) => {
          read.push(String(bytes));
          return push(bytes);
        };
        void handle(call);
      },
    },
  );
  const bound = await new Promise<number>((resolve, reject) =>
    own.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  );
  const other = new grpc.Client(`127.0.0.1:${bound}`, grpc.credentials.createInsecure());
  const call = other.makeBidiStreamRequest(path, asIs, asIs);
  const answers: string[] = [];
  call.on("data", (bytes: Buffer) => answers.push(String(bytes)));
  const status = new Promise<grpc.StatusObject>((resolve) => call.on("status", resolve));
  for (const text of ["a", "b", "c", "d", "e"]) {
    call.write(Buffer.from(text));
  }
  call.end();
  await sleep(100);
  assert.deepEqual(read, ["a"]);
  answer();
  assert.equal((await status).code, grpc.status.OK);
  assert.deepEqual(answers, ["a", "b", "c", "d", "e"]);
  other.close();
  own.forceShutdown();
});
