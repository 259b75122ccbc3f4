import type { Message } from "@bufbuild/protobuf";
import { BunkmsError, type OperationSpec } from "@bunkms/contract";
import type * as grpc from "@grpc/grpc-js";
import type { Call } from "../pipeline/call.ts";
import { bearerToken, chooseRequestId } from "./headers.ts";

/** What grpc-js knows of a call, at whichever stage. */
interface Peer {
  getPeer(): string;
  getDeadline(): grpc.Deadline;
}

/** A gRPC call as the pipeline takes it. */
export function pipelineCall(
  operation: OperationSpec,
  metadata: grpc.Metadata,
  peer: Peer,
  signal: AbortSignal,
  readRequest: () => Promise<Message>,
): Call {
  return {
    transport: "grpc",
    source: peerAddress(peer.getPeer()),
    requestId: chooseRequestId(metadata.get("x-request-id")[0]),
    token: bearerToken(metadata.get("authorization")[0]),
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
