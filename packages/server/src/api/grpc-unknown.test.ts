import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import type { Call } from "../pipeline/call.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { catchUnknownMethods, unknownMethods } from "./grpc-unknown.ts";

const asIs = (bytes: Buffer): Buffer => bytes;
const KNOWN: grpc.MethodDefinition<Buffer, Buffer> = {
  path: "/test.Service/Known",
  requestStream: false,
  responseStream: false,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};

let runs: Call[] = [];
/** Refuses with what the call came with, as the real one does once it knows the caller. */
const pipeline = {
  run: async (call: Call) => {
    runs.push(call);
    throw call.token === "good" ? call.operation : new BunkmsError("unauthenticated");
  },
} as unknown as Pipeline;

const server = new grpc.Server({ interceptors: [unknownMethods({ pipeline, secure: false })] });
let client: grpc.Client;

before(async () => {
  catchUnknownMethods(server);
  server.addService(
    { Known: KNOWN },
    {
      Known: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => done(null, call.request),
    },
  );
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

function call(path: string, token: string): Promise<grpc.ServiceError | Buffer> {
  runs = [];
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  metadata.set("x-request-id", "mine");
  return new Promise((resolve) =>
    client.makeUnaryRequest(path, asIs, asIs, Buffer.from("x"), metadata, (error, answer) =>
      resolve(error ?? (answer as Buffer)),
    ),
  );
}

test("the pinned grpc-js looks handlers up by what is replaced: a method that does not exist reaches the pipeline", async () => {
  const refusal = (await call("/test.Service/Unknown", "good")) as grpc.ServiceError;
  assert.equal(runs.length, 1, "grpc-js refused the call by itself: see catchUnknownMethods");
  assert.deepEqual([refusal.code, refusal.details], [grpc.status.UNIMPLEMENTED, "there is no such operation"]);
  assert.deepEqual(refusal.metadata.get("x-request-id"), ["mine"]);
  assert.equal(refusal.metadata.get("grpc-status-details-bin").length, 1);
});

test("who is not known learns nothing of which methods there are", async () => {
  const refusal = (await call("/test.Service/Unknown", "bad")) as grpc.ServiceError;
  assert.deepEqual([refusal.code, runs.length], [grpc.status.UNAUTHENTICATED, 1]);
});

test("methods that exist are answered as before", async () => {
  assert.deepEqual([String(await call(KNOWN.path, "good")), runs.length], ["x", 0]);
});

test("a grpc-js that looks handlers up otherwise makes no server", () => {
  assert.throws(() => catchUnknownMethods({} as grpc.Server), /@grpc\/grpc-js has no _retrieveHandler any more/);
});
