import { BunkmsError } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import { type Listener, pipelineCall } from "./grpc-call.ts";
import { replaceInternal } from "./grpc-internals.ts";
import { grpcStatus } from "./grpc-status.ts";

/** The path of the handler of paths that have none: no service has it. */
const NO_PATH = "";

const NEVER_ABORTED = new AbortController().signal;

/**
 * Makes calls of methods that do not exist calls like any other, for `unknownMethods` to answer. By itself grpc-js refuses
 * them before any interceptor, and offers no way to register a handler for the rest: so the look-up itself is replaced.
 * @throws Error when this grpc-js looks handlers up by something else: better no server than one that refuses unrecorded.
 */
export function catchUnknownMethods(server: grpc.Server): void {
  replaceInternal<(path: unknown) => unknown>(
    server,
    "_retrieveHandler",
    "calls of unknown methods would not be recorded",
    (lookUp) => (path) => lookUp(path) ?? HANDLER_OF_NONE,
  );
}

const unreachable = (): never => {
  throw new Error("an unknown method is answered before its request is read");
};

/** As grpc-js keeps a handler. With two streams, so that it waits for no message. */
const HANDLER_OF_NONE = Object.freeze({
  path: NO_PATH,
  type: "bidi",
  func: unreachable,
  serialize: unreachable,
  deserialize: unreachable,
});

/**
 * Answers calls of methods that do not exist as REST answers unknown paths: through the pipeline, which asks for the caller
 * first and records the refusal. Nothing is read of what they send.
 */
export function unknownMethods({ pipeline, secure }: Listener): grpc.ServerInterceptor {
  return ({ path }, call) => {
    if (path !== NO_PATH) {
      return new grpc.ServerInterceptingCall(call);
    }
    const listener: grpc.ServerListener = {
      onReceiveMetadata(metadata) {
        const operation = new BunkmsError("unknown_operation");
        const pipelined = pipelineCall(operation, metadata, call, secure, NEVER_ABORTED, unreachable);
        pipeline
          .run(pipelined)
          .catch((refusal: BunkmsError) => call.sendStatus(grpcStatus(refusal, pipelined.requestId)));
      },
    };
    return new grpc.ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}
