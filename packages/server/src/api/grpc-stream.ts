import type { Message } from "@bufbuild/protobuf";
import { BunkmsError, type StreamSpec } from "@bunkms/contract";
import type * as grpc from "@grpc/grpc-js";
import { asRefusal } from "../pipeline/refusal.ts";
import type { Slots } from "../pipeline/slots.ts";
import { cancellation, type Listener, pipelineCall } from "./grpc-call.ts";
import { converse, enterStream, holdUntil } from "./grpc-conversation.ts";
import { decodeRequest, encodeAnswer, methodInBytes } from "./grpc-messages.ts";
import { grpcStatus } from "./grpc-status.ts";
import { checkReceiptWish, receiptFor } from "./headers.ts";

type Stream = grpc.ServerDuplexStream<Buffer, Buffer>;

/** Where streams come in, and how many there may be. */
interface StreamListener extends Listener {
  readonly places: Slots;
  /** For how long a stream waits for its caller; absent: a minute. */
  readonly idleMs?: number;
}

/** Adds the contract's streams to a server. */
export function addStreams(server: grpc.Server, streams: readonly StreamSpec[], listener: StreamListener): void {
  for (const stream of streams) {
    const { method } = stream;
    server.addService(
      { [method.name]: methodInBytes(method) },
      { [method.name]: (call: Stream) => void serve(call, stream, listener) },
    );
  }
}

/**
 * Each message of the stream is a call of the operation: authenticated, authorised, recorded and answered as if it had
 * come alone. The first that is refused as a whole ends the stream.
 */
async function serve(call: Stream, { operation }: StreamSpec, listener: StreamListener): Promise<void> {
  const { pipeline, secure, places, idleMs } = listener;
  call.pause();
  const aborted = new AbortController();
  // grpc-js says so after each stream, however it ended.
  call.on("cancelled", () => aborted.abort(cancellation(call)));
  const callOf = (readRequest: () => Promise<Message>) =>
    pipelineCall(operation, call.metadata, call, secure, aborted.signal, readRequest);
  const first = callOf(async () => {
    throw new BunkmsError("unauthenticated");
  });
  try {
    holdUntil(aborted.signal, await enterStream(pipeline, first, places));
    const answer = async (bytes: Buffer): Promise<Buffer> => {
      const message = await pipeline.run(
        callOf(async () => {
          refuseReceiptWish(call.metadata);
          return decodeRequest(operation, bytes);
        }),
      );
      return encodeAnswer(operation, message);
    };
    await converse(call, aborted.signal, answer, idleMs);
    call.end();
  } catch (error) {
    call.emit("error", grpcStatus(asRefusal(error), first.requestId));
  }
}

/** Answers of a stream have no metadata of their own that could hold one. @throws BunkmsError `invalid_request` */
function refuseReceiptWish(metadata: grpc.Metadata): void {
  const wishes = metadata.get("bunkms-receipt");
  checkReceiptWish(...wishes);
  if (receiptFor(wishes[0]).onReceipt !== undefined) {
    throw new BunkmsError("invalid_request", "a stream gives no receipts: ask for one later, by the entry's index");
  }
}
