import type { Message } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import type * as grpc from "@grpc/grpc-js";
import type { Call } from "../pipeline/call.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { bearerToken, chooseRequestId, idempotencyKey } from "./headers.ts";

/** Where calls come in, and where they go. */
export interface Listener {
  readonly pipeline: Pipeline;
  /** Whether it speaks TLS. */
  readonly secure: boolean;
}

/** What grpc-js knows of a call, at whichever stage. */
interface Peer {
  getPeer(): string;
  getDeadline(): grpc.Deadline;
}

/**
 * A gRPC call as the pipeline takes it.
 * @param operation What its path names, or why it names none.
 * @param secure Whether the listener speaks TLS: grpc-js tells it of a call only when the client has a certificate, too.
 */
export function pipelineCall(
  operation: Call["operation"],
  metadata: grpc.Metadata,
  peer: Peer,
  secure: boolean,
  signal: AbortSignal,
  readRequest: () => Promise<Message>,
): Call {
  return {
    transport: "grpc",
    source: peerAddress(peer.getPeer()),
    requestId: chooseRequestId(metadata.get("x-request-id")[0]),
    secure,
    token: bearerToken(metadata.get("authorization")[0]),
    idempotencyKey: idempotencyKey(metadata.get("idempotency-key")[0]),
    operation,
    signal,
    readRequest,
  };
}

/** Why a call was cancelled. */
export function cancellation(peer: Peer): BunkmsError {
  return new BunkmsError(Number(peer.getDeadline()) <= Date.now() ? "deadline_exceeded" : "cancelled");
}

/** `127.0.0.1:50000` or `[::1]:50000` without the port. */
function peerAddress(peer: string): string {
  return peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
