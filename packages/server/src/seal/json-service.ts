import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from "node:http";
import { Agent, request as tlsRequest } from "node:https";
import { wipe } from "../crypto/kdf.ts";
import { readBounded } from "./bounded-answer.ts";

/** What a service answered. */
export interface JsonAnswer {
  readonly status: number;
  /** Undefined when it is not JSON. */
  readonly body: unknown;
}

/** One HTTP service that speaks JSON. */
export interface JsonService {
  /** @throws AnswerTooLarge; the errors of node:http; the signal's reason when it is aborted. */
  ask(
    method: "GET" | "POST",
    path: string,
    headers: Readonly<Record<string, string>>,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<JsonAnswer>;
  close(): void;
}

/**
 * Opens a service at one address. It follows no redirect, asks no other host, and reads no more of an answer than a true
 * one has. `fetch` would do, but it takes no authority of its own for one service.
 * @param address Its path, if any, comes before each call's.
 * @param ca Certificates of authorities, PEM, in place of the built-in ones.
 */
export function openJsonService(address: URL, ca: string | undefined): JsonService {
  const isTls = address.protocol === "https:";
  const agent = isTls
    ? new Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
    : new PlainAgent({ keepAlive: true });
  const send = isTls ? tlsRequest : plainRequest;
  const base = address.pathname.replace(/\/$/, "");

  return {
    async ask(method, path, headers, body, signal) {
      const bytes = Buffer.from(body === undefined ? "" : JSON.stringify(body));
      try {
        const message = await new Promise<IncomingMessage>((resolve, reject) => {
          const options = {
            agent,
            method,
            path: base + path,
            signal,
            headers: { ...headers, "content-type": "application/json", "content-length": bytes.length },
          };
          send(address, options, resolve).on("error", reject).end(bytes);
        });
        const answer = await readBounded(message);
        const text = answer.toString("utf8");
        wipe(answer);
        return { status: message.statusCode ?? 0, body: parse(text) };
      } finally {
        wipe(bytes);
      }
    },
    close: () => agent.destroy(),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
