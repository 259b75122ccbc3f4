import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { SecureContext } from "node:tls";
import { readBounded } from "./bounded-answer.ts";
import type { ContextSource } from "./secure-context.ts";

// Not imported: see boot/listen.ts.
const { Agent: PlainAgent, request: plainRequest } = process.getBuiltinModule("node:http");
const { Agent, request: tlsRequest } = process.getBuiltinModule("node:https");

type OpenAgent = InstanceType<typeof PlainAgent>;

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
 * @param tls Asked at each call; undefined for the built-in authorities and no certificate. When it changes, connections of
 * before are ended, also those with a call.
 */
export function openHttpService(address: URL, tls: ContextSource | undefined): HttpService {
  const isTls = address.protocol === "https:";
  const send = isTls ? tlsRequest : plainRequest;
  let open: { readonly agent: OpenAgent; readonly secureContext: SecureContext | undefined } | undefined;

  const currentAgent = (): OpenAgent => {
    const secureContext = isTls ? tls?.() : undefined;
    if (open === undefined || open.secureContext !== secureContext) {
      // Connections that are open, and the TLS sessions it remembers, are those of the certificate of before.
      open?.agent.destroy();
      open = { agent: openAgent(isTls, secureContext), secureContext };
    }
    return open.agent;
  };

  return {
    async send(method, path, headers, body, signal) {
      const message = await new Promise<IncomingMessage>((resolve, reject) => {
        const options = {
          agent: currentAgent(),
          method,
          path,
          signal,
          headers: { ...headers, "content-length": body.length },
        };
        send(address, options, resolve).on("error", reject).end(body);
      });
      return { status: message.statusCode ?? 0, headers: message.headers, body: await readBounded(message) };
    },
    close: () => open?.agent.destroy(),
  };
}

/** A context, not its parts: the agent would make a text of a private key, to tell connections apart. */
function openAgent(isTls: boolean, secureContext: SecureContext | undefined): OpenAgent {
  return isTls
    ? new Agent({ keepAlive: true, ...(secureContext === undefined ? {} : { secureContext }) })
    : new PlainAgent({ keepAlive: true });
}
