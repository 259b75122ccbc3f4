import { create } from "@bufbuild/protobuf";
import { type OperationSpec, readStreams } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { asRefusal } from "../pipeline/refusal.ts";
import type { Slots } from "../pipeline/slots.ts";
import { admission } from "./grpc-admission.ts";
import { cancellation, pipelineCall } from "./grpc-call.ts";
import { enterStream, streamPlaces } from "./grpc-conversation.ts";
import { tellAllAuthorizations } from "./grpc-headers.ts";
import { addHealthService, healthInterceptor } from "./grpc-health.ts";
import { decodeRequest, encodeAnswer, methodInBytes, pathOf } from "./grpc-messages.ts";
import { addReflectionService } from "./grpc-reflection.ts";
import { grpcStatus } from "./grpc-status.ts";
import { addStreams } from "./grpc-stream.ts";
import { catchUnknownMethods, unknownMethods } from "./grpc-unknown.ts";
import { checkReceiptWish, receiptFor } from "./headers.ts";
import type { Health } from "./health.ts";

/** What the gRPC listener works with. */
interface GrpcParts {
  readonly pipeline: Pipeline;
  readonly operations: readonly OperationSpec[];
  readonly health: Health;
  /** Whether it listens by TLS. */
  readonly secure: boolean;
}

/** Above the largest request of the contract; what is larger never reaches memory. */
const MAX_MESSAGE_BYTES = 1024 * 1024 + 64 * 1024;

/** Calls at once on one connection. */
const MAX_STREAMS = 64;

/** A connection without calls for so long is closed. */
const IDLE_MS = 300_000;

/** Makes the gRPC server: the contract's services, server reflection and the standard health service. */
export function grpcServer(parts: GrpcParts): grpc.Server {
  const { pipeline, operations, health, secure } = parts;
  // It would print lines among those of the log, and quote metadata that it refuses: a token, for example.
  grpc.setLogVerbosity(grpc.logVerbosity.NONE);
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_concurrent_streams": MAX_STREAMS,
    "grpc.max_connection_idle_ms": IDLE_MS,
    "grpc.enable_channelz": 0,
    // The first has grpc-js's own call in its hands, whose refusals it completes.
    interceptors: [
      admission({ pipeline, secure }, new Map(operations.map((spec) => [pathOf(spec.method), spec]))),
      healthInterceptor(health),
      unknownMethods({ pipeline, secure }),
    ],
  });
  tellAllAuthorizations(server);
  catchUnknownMethods(server);
  for (const spec of operations) {
    const handle: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => {
      void answer(parts, spec, call, done);
    };
    server.addService({ [spec.method.name]: methodInBytes(spec.method) }, { [spec.method.name]: handle });
  }
  const places = streamPlaces();
  addStreams(server, readStreams(operations), { pipeline, secure, places });
  addHealthService(server);
  addReflectionService(server, (call, signal) => admitReflection(parts, places, call, signal));
  return server;
}

async function answer(
  { pipeline, secure }: GrpcParts,
  spec: OperationSpec,
  call: grpc.ServerUnaryCall<Buffer, Buffer>,
  done: grpc.sendUnaryData<Buffer>,
): Promise<void> {
  const aborted = new AbortController();
  let answered = false;
  call.on("cancelled", () => {
    // grpc-js says so after each call that ended well, too.
    if (!answered) {
      aborted.abort(cancellation(call));
    }
  });
  const receiptWishes = call.metadata.get("bunkms-receipt");
  const { receiptHeaders, onReceipt } = receiptFor(receiptWishes[0]);
  const plain = pipelineCall(spec, call.metadata, call, secure, aborted.signal, async () => {
    checkReceiptWish(...receiptWishes);
    return decodeRequest(spec, call.request);
  });
  const pipelined = { ...plain, onReceipt };
  try {
    const message = await pipeline.run(pipelined);
    answered = true;
    const trailers = new grpc.Metadata();
    trailers.set("x-request-id", pipelined.requestId);
    addHeaders(trailers, receiptHeaders);
    done(null, encodeAnswer(spec, message), trailers);
  } catch (error) {
    const status = grpcStatus(asRefusal(error), pipelined.requestId);
    addHeaders(status.metadata, receiptHeaders);
    done(status);
  }
}

function addHeaders(metadata: grpc.Metadata, headers: ReadonlyMap<string, string>): void {
  for (const [name, value] of headers) {
    metadata.set(name, value);
  }
}

/** Reflection shows the contract, as `/openapi.json` does: it is authorised and recorded as that operation. @throws grpc.ServiceError */
async function admitReflection(
  { pipeline, operations, secure }: GrpcParts,
  places: Slots,
  call: grpc.ServerDuplexStream<unknown, unknown>,
  signal: AbortSignal,
): Promise<() => void> {
  const spec = operations.find(({ action }) => action === "system.openapi") as OperationSpec;
  const pipelined = pipelineCall(spec, call.metadata, call, secure, signal, async () => create(spec.method.input));
  let leave = (): void => {};
  try {
    leave = await enterStream(pipeline, pipelined, places);
    await pipeline.run(pipelined);
    return leave;
  } catch (error) {
    leave();
    throw grpcStatus(asRefusal(error), pipelined.requestId);
  }
}
