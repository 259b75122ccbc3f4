import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type HealthCheckRequest,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Serving,
} from "@bunkms/contract/descriptors";
import type * as grpc from "@grpc/grpc-js";
import type { Health } from "./health.ts";

const WATCH_EVERY_MS = 1000;

/** The standard health service (grpc.health.v1), open to all as `/ready` is. Every service has the server's health. */
export function addHealthService(server: grpc.Server, health: Health): void {
  server.addService(
    { Check: method("Check", false), Watch: method("Watch", true) },
    {
      Check: (_call: unknown, done: grpc.sendUnaryData<HealthCheckResponse>) => {
        void status(health).then((response) => done(null, response));
      },
      Watch: (call: grpc.ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) => watch(call, health),
    },
  );
}

async function status(health: Health): Promise<HealthCheckResponse> {
  const refusal = await health.notReady();
  return create(HealthCheckResponseSchema, {
    status: refusal === undefined ? Serving.SERVING : Serving.NOT_SERVING,
  });
}

/** Sends the state now and whenever it changes, until the caller goes away or the server stops. */
function watch(call: grpc.ServerWritableStream<HealthCheckRequest, HealthCheckResponse>, health: Health): void {
  let last: Serving | undefined;
  const look = async (): Promise<void> => {
    const response = await status(health);
    if (response.status !== last) {
      last = response.status;
      call.write(response);
    }
    if (health.closing) {
      call.end();
    }
  };
  const timer = setInterval(() => void look(), WATCH_EVERY_MS);
  timer.unref();
  call.on("cancelled", () => clearInterval(timer));
  call.on("close", () => clearInterval(timer));
  void look();
}

function method(name: string, responseStream: boolean): grpc.MethodDefinition<HealthCheckRequest, HealthCheckResponse> {
  return {
    path: `/${HealthService.typeName}/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: (message) => Buffer.from(toBinary(HealthCheckRequestSchema, message)),
    requestDeserialize: (bytes) => fromBinary(HealthCheckRequestSchema, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(HealthCheckResponseSchema, message)),
    responseDeserialize: (bytes) => fromBinary(HealthCheckResponseSchema, bytes),
  };
}
