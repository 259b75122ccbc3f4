import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { readBounded } from "./bounded-answer.ts";

// Not imported: see boot/listen.ts.
const { Agent: PlainAgent, request: plainRequest } = process.getBuiltinModule("node:http");
const { Agent, request: tlsRequest } = process.getBuiltinModule("node:https");

/** What a service answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The caller zeroes it where it holds a secret. */
  readonly body: Buffer;
}

/** One HTTP service. */
export interface HttpService {
  /** @throws AnswerTooLarge; the errors of node:http; the signal's reason when it is aborted. */
  send(
    method: "GET" | "POST",
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<HttpAnswer>;
  close(): void;
}

/**
 * Opens a service at one address. It follows no redirect, asks no other host, and reads no more of an answer than a true
 * one has. `fetch` would do, but it takes no authority of its own for one service.
 * @param address Where the host is; each call brings its path.
 * @param ca Certificates of authorities, PEM, in place of the built-in ones.
 */
export function openHttpService(address: URL, ca: string | undefined): HttpService {
  const isTls = address.protocol === "https:";
  const agent = isTls
    ? new Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
    : new PlainAgent({ keepAlive: true });
  const send = isTls ? tlsRequest : plainRequest;

  return {
    async send(method, path, headers, body, signal) {
      const message = await new Promise<IncomingMessage>((resolve, reject) => {
        const options = {
          agent,
          method,
          path,
          signal,
          headers: { ...headers, "content-length": body.length },
        };
        send(address, options, resolve).on("error", reject).end(body);
      });
      return { status: message.statusCode ?? 0, headers: message.headers, body: await readBounded(message) };
    },
    close: () => agent.destroy(),
  };
}
