import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type HealthCheckRequest,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  Health as HealthService,
} from "@bunkms/contract/descriptors";
import * as grpc from "@grpc/grpc-js";
import type { Health } from "./health.ts";

const WATCH_EVERY_MS = 1000;
const CHECK = `/${HealthService.typeName}/Check`;
const WATCH = `/${HealthService.typeName}/Watch`;

/** A call as an interceptor has it. */
type InnerCall = ConstructorParameters<typeof grpc.ServerInterceptingCall>[0];

/**
 * The standard health service (grpc.health.v1), open to all as `/ready` is. Every service has the server's health.
 * It is answered by `healthInterceptor`; registered here, so that grpc-js knows its methods.
 */
export function addHealthService(server: grpc.Server): void {
  const unreachable = (): void => {
    throw new Error("health is answered before its request is read");
  };
  server.addService(
    { Check: method(CHECK, false), Watch: method(WATCH, true) },
    { Check: unreachable, Watch: unreachable },
  );
}

/** Answers health calls without reading the request: anybody may call, and nobody's message is kept in memory. */
export function healthInterceptor(health: Health): grpc.ServerInterceptor {
  return ({ path }, call) => {
    if (path !== CHECK && path !== WATCH) {
      return new grpc.ServerInterceptingCall(call);
    }
    const ended = new AbortController();
    const listener: grpc.ServerListener = {
      onReceiveMetadata() {
        call.sendMetadata(new grpc.Metadata());
        void (path === CHECK ? check(call, health) : watch(call, health, ended.signal));
      },
      onCancel: () => ended.abort(),
    };
    return new grpc.ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}

async function check(call: InnerCall, health: Health): Promise<void> {
  call.sendMessage(await status(health), () => end(call));
}

/** Sends the state now and whenever it changes, until the caller goes away or the server stops. */
async function watch(call: InnerCall, health: Health, ended: AbortSignal): Promise<void> {
  let last: HealthCheckResponse_ServingStatus | undefined;
  while (!ended.aborted) {
    const response = await status(health);
    if (response.status !== last) {
      last = response.status;
      call.sendMessage(response, () => {});
    }
    if (health.closing) {
      end(call);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS).unref());
  }
}

function end(call: InnerCall): void {
  call.sendStatus({ code: grpc.status.OK, details: "", metadata: new grpc.Metadata() });
}

async function status(health: Health): Promise<HealthCheckResponse> {
  const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
  const refusal = await health.notReady();
  return create(HealthCheckResponseSchema, { status: refusal === undefined ? SERVING : NOT_SERVING });
}

function method(path: string, responseStream: boolean): grpc.MethodDefinition<HealthCheckRequest, HealthCheckResponse> {
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: (message) => Buffer.from(toBinary(HealthCheckRequestSchema, message)),
    requestDeserialize: (bytes) => fromBinary(HealthCheckRequestSchema, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(HealthCheckResponseSchema, message)),
    responseDeserialize: (bytes) => fromBinary(HealthCheckResponseSchema, bytes),
  };
}
