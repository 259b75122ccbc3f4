import { type Message, toBinary } from "@bufbuild/protobuf";
import { BunkmsError, type StreamSpec } from "@bunkms/contract";
import type * as grpc from "@grpc/grpc-js";
import type { Call } from "../pipeline/call.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { asRefusal } from "../pipeline/refusal.ts";
import { wipeSecrets } from "../pipeline/secret-fields.ts";
import { cancellation, type Listener, pipelineCall } from "./grpc-call.ts";
import { converse } from "./grpc-conversation.ts";
import { decodeRequest } from "./grpc-request.ts";
import { grpcStatus } from "./grpc-status.ts";

type Stream = grpc.ServerDuplexStream<Buffer, Buffer>;

/** Adds the contract's streams to a server. */
export function addStreams(server: grpc.Server, streams: readonly StreamSpec[], listener: Listener): void {
  for (const stream of streams) {
    const { method } = stream;
    const asIs = (bytes: Buffer): Buffer => bytes;
    const definition: grpc.MethodDefinition<Buffer, Buffer> = {
      path: `/${method.parent.typeName}/${method.name}`,
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    server.addService(
      { [method.name]: definition },
      { [method.name]: (call: Stream) => void serve(call, stream, listener) },
    );
  }
}

/**
 * Each message of the stream is a call of the operation: authenticated, authorised, recorded and answered as if it had
 * come alone. The first that is refused as a whole ends the stream.
 */
async function serve(call: Stream, { operation }: StreamSpec, { pipeline, secure }: Listener): Promise<void> {
  call.pause();
  const aborted = new AbortController();
  call.on("cancelled", () => aborted.abort(cancellation(call)));
  const callOf = (readRequest: () => Promise<Message>) =>
    pipelineCall(operation, call.metadata, call, secure, aborted.signal, readRequest);
  const first = callOf(async () => {
    throw new BunkmsError("unauthenticated");
  });
  let leave = (): void => {};
  try {
    leave = await enter(pipeline, first);
    await converse(call, aborted.signal, async (bytes) => {
      const message = await pipeline.run(callOf(async () => decodeRequest(operation, bytes)));
      const answer = toBinary(operation.method.output, message as never);
      wipeSecrets(operation.method.output, message);
      return Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
    });
    call.end();
  } catch (error) {
    call.emit("error", grpcStatus(asRefusal(error), first.requestId));
  } finally {
    leave();
  }
}

/** A place for the stream, while it lasts. Who is not known goes through the pipeline, which records him. */
async function enter(pipeline: Pipeline, call: Call): Promise<() => void> {
  try {
    return await pipeline.enter(call);
  } catch (error) {
    if (error instanceof BunkmsError && error.code === "unauthenticated") {
      await pipeline.run(call);
    }
    throw error;
  }
}
