import type { Answer } from "./answer-decoding.ts";
import { connectionError, timeoutError } from "./connection-reason.ts";
import { RequestError } from "./errors.ts";

/** The standard `fetch`, or one of its form: a proxy, a client certificate, a test. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** A token, or what gets the present one: it is asked anew for every call. */
export type TokenSource = string | (() => string | Promise<string>);

/** Where and how a client sends. */
export interface TransportOptions {
  /** Base address, for example `https://kms.example.com:8080`. A path before `/v1` is kept. */
  readonly url: string;
  /** Without one, only what needs no token works. */
  readonly token?: TokenSource;
  /** Milliseconds until a call is given up; 30,000 by default. */
  readonly timeoutMs?: number;
  /** The runtime's own by default. */
  readonly fetch?: Fetch;
}

/** Options of a single call. */
export interface CallOptions {
  /** Gives the call up; it then rejects with the signal's reason. The server may have done it nevertheless. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the call is given up, in place of the client's. */
  readonly timeoutMs?: number;
  /** Names the call in the server's log and audit log: 1 to 64 letters, digits, `.`, `_`, `-`. The server's choice else. */
  readonly requestId?: string;
}

/** One HTTP request. */
export interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly body?: string | undefined;
  /** Whether to send the token. */
  readonly authenticated: boolean;
}

/** Sends requests to one server. */
export type Transport = (request: Outgoing, options?: CallOptions) => Promise<Answer>;

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Makes a transport for one server.
 * @throws RequestError when the address is not an HTTP address, or carries a password, query or fragment.
 */
export function createTransport(options: TransportOptions): Transport {
  const base = parseBase(options.url);
  const send = options.fetch ?? ((input, init) => fetch(input, init));

  return async (request, call = {}) => {
    const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    const headers: Record<string, string> = { accept: "application/json" };
    if (request.body !== undefined) {
      headers["content-type"] = "application/json";
    }
    if (call.requestId !== undefined) {
      headers["x-request-id"] = call.requestId;
    }
    if (request.authenticated && options.token !== undefined) {
      headers["authorization"] = `Bearer ${await readToken(options.token)}`;
    }
    try {
      const response = await send(`${base.href}${request.path}`, {
        method: request.method,
        headers,
        ...(request.body === undefined ? {} : { body: request.body }),
        signal,
        // A redirect would carry the token to a place that nobody configured.
        redirect: "error",
        cache: "no-store",
        credentials: "omit",
      });
      return {
        origin: base.origin,
        status: response.status,
        contentType: response.headers.get("content-type") ?? "",
        body: new Uint8Array(await response.arrayBuffer()),
      };
    } catch (error) {
      if (call.signal?.aborted) {
        throw call.signal.reason;
      }
      throw timeout.aborted ? timeoutError(base.origin, timeoutMs, error) : connectionError(base.origin, error);
    }
  };
}

function parseBase(text: string): { readonly href: string; readonly origin: string } {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new RequestError("the server's address must begin with http:// or https:// and name a host");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new RequestError("the server's address must not hold a user, password, query or fragment");
  }
  return { href: url.origin + url.pathname.replace(/\/+$/, ""), origin: url.origin };
}

async function readToken(source: TokenSource): Promise<string> {
  const token = typeof source === "string" ? source : await source();
  // Checked here, because the runtime's own complaint about a bad header quotes the header.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new RequestError("the token is empty or holds characters that no token has");
  }
  return token;
}
