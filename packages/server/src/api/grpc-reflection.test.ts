import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ExtensionRequestSchema,
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "@bunkms/contract/descriptors";
import * as grpc from "@grpc/grpc-js";
import { addReflectionService } from "./grpc-reflection.ts";

const PATH = `/${ServerReflection.typeName}/ServerReflectionInfo`;
const server = new grpc.Server();
let client: grpc.Client;

before(async () => {
  addReflectionService(server, async () => () => {});
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});

after(() => {
  client.close();
  server.forceShutdown();
});

/** Sends the messages, ends the call, and waits for its status. */
async function converse(messages: readonly Uint8Array[]): Promise<[ServerReflectionResponse[], grpc.StatusObject]> {
  const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const answerOf = (bytes: Buffer): ServerReflectionResponse => fromBinary(ServerReflectionResponseSchema, bytes);
  const call = client.makeBidiStreamRequest(PATH, asIs, answerOf);
  const answers: ServerReflectionResponse[] = [];
  call.on("data", (answer: ServerReflectionResponse) => answers.push(answer));
  call.on("error", () => {});
  const status = new Promise<grpc.StatusObject>((resolve) => call.on("status", resolve));
  for (const message of messages) {
    call.write(message);
  }
  call.end();
  return [answers, await status];
}

function question(messageRequest: ServerReflectionRequest["messageRequest"]): Uint8Array {
  return toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest }));
}

test("every question gets its answer in order, and the call ends when its caller has ended his side", async () => {
  const symbols = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? "bunkms.v1.KeyService" : `none${i}`));
  const [answers, status] = await converse(symbols.map((value) => question({ case: "fileContainingSymbol", value })));
  assert.equal(status.code, grpc.status.OK);
  assert.deepEqual(
    answers.map(({ originalRequest }) => originalRequest?.messageRequest.value),
    symbols,
  );
  for (const [i, { messageResponse }] of answers.entries()) {
    assert.equal(messageResponse.case, i % 2 === 0 ? "fileDescriptorResponse" : "errorResponse");
  }
});

test("a call without a question ends well, and one with a question that is no message ends with an error", async () => {
  assert.equal((await converse([]))[1].code, grpc.status.OK);
  const list = question({ case: "listServices", value: "*" });
  const [, status] = await converse([list, Buffer.from([0x0a, 0x7f, 0x61]), list]);
  assert.notEqual(status.code, grpc.status.OK);
});

test("REQ-37 a question of many fields is refused, as are fields that no question has", async () => {
  const extension = question({
    case: "fileContainingExtension",
    value: create(ExtensionRequestSchema, { extensionNumber: 1 }),
  });
  assert.equal((await converse([extension]))[1].code, grpc.status.OK);
  const host = [0x0a, 0x00];
  assert.equal((await converse([Buffer.from(Array(10).fill(host).flat())]))[1].code, grpc.status.OK);
  for (const message of [Array(11).fill(host).flat(), [0x78, 0x00]]) {
    assert.notEqual((await converse([Buffer.from(message)]))[1].code, grpc.status.OK);
  }
});
