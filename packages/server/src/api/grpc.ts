import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { BunkmsError, ERRORS, ErrorDetailSchema, type OperationSpec } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { wipeSecrets } from "../pipeline/secret-fields.ts";
import { addHealthService } from "./grpc-health.ts";
import { addReflectionService } from "./grpc-reflection.ts";
import { bearerToken, chooseRequestId } from "./headers.ts";
import type { Health } from "./health.ts";

/** What the gRPC listener works with. */
interface GrpcParts {
  readonly pipeline: Pipeline;
  readonly operations: readonly OperationSpec[];
  readonly health: Health;
}

/** Above the largest request of the contract; what is larger never reaches memory. */
const MAX_MESSAGE_BYTES = 1024 * 1024 + 64 * 1024;

/** A connection without calls for so long is closed. */
const IDLE_MS = 300_000;

/** Makes the gRPC server: the contract's services, server reflection and the standard health service. */
export function grpcServer({ pipeline, operations, health }: GrpcParts): grpc.Server {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_concurrent_streams": 256,
    "grpc.max_connection_idle_ms": IDLE_MS,
    "grpc.enable_channelz": 0,
  });
  for (const spec of operations) {
    const handle: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => {
      void answer(pipeline, spec, call, done);
    };
    server.addService({ [spec.method.name]: unaryMethod(spec) }, { [spec.method.name]: handle });
  }
  addHealthService(server, health);
  addReflectionService(server, (call, signal) => admitReflection(pipeline, operations, call, signal));
  return server;
}

/** Requests stay bytes until the caller is known; answers are bytes once their secrets are zeroed. */
function unaryMethod({ method }: OperationSpec): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes) => bytes,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  };
}

async function answer(
  pipeline: Pipeline,
  spec: OperationSpec,
  call: grpc.ServerUnaryCall<Buffer, Buffer>,
  done: grpc.sendUnaryData<Buffer>,
): Promise<void> {
  const requestId = chooseRequestId(call.metadata.get("x-request-id")[0]);
  const aborted = new AbortController();
  call.on("cancelled", () =>
    aborted.abort(new BunkmsError(Number(call.getDeadline()) <= Date.now() ? "deadline_exceeded" : "cancelled")),
  );
  const trailers = new grpc.Metadata();
  trailers.set("x-request-id", requestId);
  try {
    const message = await pipeline.run({
      transport: "grpc",
      source: peerAddress(call.getPeer()),
      requestId,
      token: bearerToken(call.metadata.get("authorization")[0]),
      operation: spec,
      signal: aborted.signal,
      readRequest: async () => decode(spec.method.input, call.request),
    });
    const bytes = toBinary(spec.method.output, message as never);
    wipeSecrets(spec.method.output, message);
    done(null, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), trailers);
  } catch (error) {
    done(statusOf(error as BunkmsError, requestId, trailers));
  }
}

/** Reflection shows the contract, as `/openapi.json` does: it is authorised and recorded as that operation. */
async function admitReflection(
  pipeline: Pipeline,
  operations: readonly OperationSpec[],
  call: { readonly metadata: grpc.Metadata; getPeer(): string },
  signal: AbortSignal,
): Promise<grpc.ServiceError | undefined> {
  const requestId = chooseRequestId(call.metadata.get("x-request-id")[0]);
  const operation = operations.find((spec) => spec.action === "system.openapi");
  try {
    await pipeline.run({
      transport: "grpc",
      source: peerAddress(call.getPeer()),
      requestId,
      token: bearerToken(call.metadata.get("authorization")[0]),
      operation: operation ?? new BunkmsError("unknown_operation"),
      signal,
      readRequest: async (spec) => create(spec.method.input),
    });
    return undefined;
  } catch (error) {
    return statusOf(error as BunkmsError, requestId, new grpc.Metadata());
  }
}

/** Refuses fields that the contract does not have: what they ask for would be dropped silently. */
function decode(schema: DescMessage, bytes: Buffer): Message {
  let message: Message;
  try {
    message = fromBinary(schema, bytes);
  } catch (cause) {
    throw new BunkmsError("invalid_request", "the message is not valid Protobuf", { cause });
  }
  if ((message.$unknown?.length ?? 0) > 0) {
    throw new BunkmsError("invalid_request", "the request has a field that the operation does not know");
  }
  return message;
}

/** An error as gRPC status: code and text, and in `grpc-status-details-bin` the stable code and the request id. */
function statusOf(error: BunkmsError, requestId: string, metadata: grpc.Metadata): grpc.ServiceError {
  const { grpc: code } = ERRORS[error.code];
  metadata.set("grpc-status-details-bin", Buffer.from(statusDetails(code, error, requestId)));
  return Object.assign(new Error(error.message), { code, details: error.message, metadata });
}

/** google.rpc.Status {int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3}. */
function statusDetails(code: number, error: BunkmsError, requestId: string): Uint8Array {
  const detail = toBinary(ErrorDetailSchema, create(ErrorDetailSchema, { code: error.code, requestId }));
  const any = new BinaryWriter();
  any.tag(1, WireType.LengthDelimited).string(`type.googleapis.com/${ErrorDetailSchema.typeName}`);
  any.tag(2, WireType.LengthDelimited).bytes(detail);
  const status = new BinaryWriter();
  status.tag(1, WireType.Varint).int32(code);
  status.tag(2, WireType.LengthDelimited).string(error.message);
  status.tag(3, WireType.LengthDelimited).bytes(any.finish());
  return status.finish();
}

/** `127.0.0.1:50000` or `[::1]:50000` without the port. */
function peerAddress(peer: string): string {
  return peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
