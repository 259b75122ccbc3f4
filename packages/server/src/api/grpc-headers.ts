import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type * as grpc from "@grpc/grpc-js";
import { replaceInternal } from "./grpc-internals.ts";
import { wholeHeader } from "./headers.ts";

/** Whom grpc-js hands each call to. */
type Handler = (
  interceptors: unknown,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  raw: readonly string[],
) => void;

/**
 * Makes several `authorization` of a call one value, which is none that anybody is known by, as over REST. By itself Node keeps the
 * first alone, and grpc-js sees no more than that. Other names' values Node puts together by itself.
 * @throws Error when this grpc-js takes calls by something else: better no server than one that takes the first.
 */
export function tellAllAuthorizations(server: grpc.Server): void {
  replaceInternal<Handler>(
    server,
    "_streamHandler",
    "of several authorizations the first would be taken",
    (handle) => (interceptors, stream, headers, flags, raw) => {
      const whole = wholeHeader(raw, "authorization");
      if (whole !== undefined) {
        headers.authorization = whole;
      }
      handle(interceptors, stream, headers, flags, raw);
    },
  );
}
