import { BunkmsError, type ErrorCode, type OperationSpec } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import { type Listener, pipelineCall } from "./grpc-call.ts";
import { grpcStatus } from "./grpc-status.ts";
import { chooseRequestId } from "./headers.ts";

/** A request must have arrived whole after so long, as over REST. */
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Lets a request's message be read only once its caller is known: grpc-js would else hold the messages of strangers in
 * memory for as long as they like, before any handler runs. Who is refused here goes through the pipeline all the same,
 * which records it.
 */
export function admission(
  { pipeline, secure }: Listener,
  operations: ReadonlyMap<string, OperationSpec>,
): grpc.ServerInterceptor {
  return (method, call) => {
    let timer: NodeJS.Timeout | undefined;
    let leave = (): void => {};
    let cancelled = false;
    const arrived = (): void => {
      clearTimeout(timer);
      leave();
    };
    // Replaced on the call itself: what grpc-js refuses by its own does not come through a responder.
    const send = call.sendStatus.bind(call);
    call.sendStatus = (status) => {
      arrived();
      send(withDetails(status));
    };
    const operation = operations.get(method.path);
    if (operation === undefined) {
      return new grpc.ServerInterceptingCall(call);
    }
    const refuse = (error: BunkmsError, requestId: string): void => call.sendStatus(grpcStatus(error, requestId));
    const listener: grpc.ServerListener = {
      onReceiveMetadata(metadata, next) {
        const pipelined = pipelineCall(operation, metadata, call, secure, NEVER_ABORTED, async () => {
          throw new BunkmsError("unauthenticated");
        });
        const { requestId } = pipelined;
        // The id that was chosen here is the one under which the handler goes on.
        metadata.set("x-request-id", requestId);
        pipeline.enter(pipelined).then(
          (giveBack) => {
            leave = giveBack;
            if (cancelled) {
              leave();
              return;
            }
            timer = setTimeout(() => refuse(new BunkmsError("deadline_exceeded"), requestId), REQUEST_TIMEOUT_MS);
            next(metadata);
          },
          (error: BunkmsError) => {
            if (error.code === "unauthenticated") {
              pipeline.run(pipelined).catch((refusal: BunkmsError) => refuse(refusal, requestId));
            } else {
              refuse(error, requestId);
            }
          },
        );
      },
      onReceiveHalfClose(next) {
        arrived();
        next();
      },
      onCancel() {
        cancelled = true;
        arrived();
      },
    };
    return new grpc.ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}

const NEVER_ABORTED = new AbortController().signal;

type Status = Parameters<grpc.ServerInterceptingCall["sendStatus"]>[0];

/** What grpc-js refuses by itself is the caller's mistake but for these. */
const CODES: ReadonlyMap<grpc.status, ErrorCode> = new Map([
  [grpc.status.RESOURCE_EXHAUSTED, "payload_too_large"],
  [grpc.status.DEADLINE_EXCEEDED, "deadline_exceeded"],
]);

/** What grpc-js refuses by itself gets the details that every error of ours has. */
function withDetails(status: Status): Status {
  if (!status.code || status.metadata?.get("grpc-status-details-bin").length) {
    return status;
  }
  const code = CODES.get(status.code) ?? "invalid_request";
  const { code: grpcCode, details, metadata } = grpcStatus(new BunkmsError(code), chooseRequestId(undefined));
  return { code: grpcCode, details, metadata };
}
