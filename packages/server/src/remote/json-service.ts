import { wipe } from "../crypto/kdf.ts";
import { openHttpService } from "./http-service.ts";
import { trusting } from "./secure-context.ts";

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
 * Opens a service at one address, as `openHttpService` does.
 * @param address Its path, if any, comes before each call's.
 * @param ca Certificates of authorities, PEM, in place of the built-in ones.
 */
export function openJsonService(address: URL, ca: string | undefined): JsonService {
  const service = openHttpService(address, ca === undefined ? undefined : trusting(ca));
  const base = address.pathname.replace(/\/$/, "");

  return {
    async ask(method, path, headers, body, signal) {
      const bytes = Buffer.from(body === undefined ? "" : JSON.stringify(body));
      try {
        const given = { ...headers, "content-type": "application/json" };
        const answer = await service.send(method, base + path, given, bytes, signal);
        const text = answer.body.toString("utf8");
        wipe(answer.body);
        return { status: answer.status, body: parseJson(text) };
      } finally {
        wipe(bytes);
      }
    },
    close: () => service.close(),
  };
}

/** The value, or undefined when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
