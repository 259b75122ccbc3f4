import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "@bunkms/contract/descriptors";
import * as grpc from "@grpc/grpc-js";

/** Where a server listens. */
interface Addresses {
  readonly url: string;
  readonly grpcAddr: string;
}

const WITHIN_MS = 5000;
const POLL_MS = 100;

/** Waits until `/ready` and the gRPC health service say that the server can serve. @throws AssertionError after 5 seconds. */
export function becomesReady(server: Addresses): Promise<void> {
  return becomes(server, { alive: 200, ready: 200, code: undefined, grpc: Serving.SERVING });
}

/** Waits until both say that it cannot write its store, while it is alive. @throws AssertionError after 5 seconds. */
export function becomesUnready(server: Addresses): Promise<void> {
  return becomes(server, { alive: 200, ready: 503, code: "storage_unavailable", grpc: Serving.NOT_SERVING });
}

interface State {
  readonly alive: number;
  readonly ready: number;
  /** Error code of `/ready`. */
  readonly code: unknown;
  readonly grpc: Serving;
}

async function becomes(server: Addresses, wanted: State): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  for (;;) {
    const found = await look(server);
    if (JSON.stringify(found) === JSON.stringify(wanted) || performance.now() > deadline) {
      assert.deepEqual(found, wanted);
      return;
    }
    await sleep(POLL_MS);
  }
}

async function look({ url, grpcAddr }: Addresses): Promise<State> {
  const alive = await fetch(`${url}/health`);
  const ready = await fetch(`${url}/ready`);
  const { code } = (await ready.json()) as { code?: string };
  return { alive: alive.status, ready: ready.status, code, grpc: await checkHealth(grpcAddr) };
}

/** grpc.health.v1.Health/Check. */
function checkHealth(address: string): Promise<Serving> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  return new Promise<Serving>((resolve, reject) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => fromBinary(HealthCheckResponseSchema, bytes).status,
      Buffer.from(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema))),
      (error, status) => (error === null ? resolve(status as Serving) : reject(error)),
    );
  }).finally(() => client.close());
}
