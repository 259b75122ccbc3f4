import type { DescMessage } from "@bufbuild/protobuf";
import { type Answer, decodeAnswer, readJson } from "./answer-decoding.ts";
import { connectionError } from "./connection-reason.ts";
import { RequestError } from "./errors.ts";
import type { ClientOptions, Fetch } from "./options.ts";
import { encodeRequest } from "./request-encoding.ts";
import { readRetryAfter } from "./retry.ts";
import { loadRuntime } from "./runtime-loader.ts";
import type { Attempt, Wire } from "./wire.ts";

/** One HTTP request. */
interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly body?: string | undefined;
}

/** The REST way to a server, over `fetch`. */
export function createFetchWire(url: URL, options: ClientOptions): Wire {
  const { origin } = url;
  const base = origin + url.pathname.replace(/\/+$/, "");
  const fetcher = chooseFetch(options);

  async function send(request: Outgoing, attempt: Attempt): Promise<Answer> {
    const doFetch = await fetcher();
    try {
      const response = await doFetch(`${base}${request.path}`, {
        method: request.method,
        headers: headersOf(request, attempt),
        ...(request.body === undefined ? {} : { body: request.body }),
        signal: attempt.signal,
        // A redirect would carry the token to a place that nobody configured.
        redirect: "error",
        cache: "no-store",
        credentials: "omit",
      });
      return {
        origin,
        status: response.status,
        contentType: response.headers.get("content-type") ?? "",
        body: new Uint8Array(await response.arrayBuffer()),
        retryAfterMs: readRetryAfter(response.headers.get("retry-after")),
      };
    } catch (error) {
      throw connectionError(origin, error);
    }
  }

  return {
    origin,
    async call({ method, route }, request, attempt) {
      const encoded = encodeRequest(route, method.input, request);
      return decodeAnswer(method.output as DescMessage, await send({ method: route.method, ...encoded }, attempt));
    },
    // biome-ignore lint/correctness/useYield: a wire that has no streams has none to give.
    async *stream() {
      throw new RequestError("streams need gRPC: an address that begins with grpcs:// or grpc://");
    },
    async probe(probe, attempt) {
      const answer = await send({ method: "GET", path: `/${probe}` }, attempt);
      return { ok: answer.status === 200, httpStatus: answer.status, body: jsonOrNull(answer) };
    },
    close() {},
  };
}

function headersOf({ body }: Outgoing, { requestId, idempotencyKey, token }: Attempt): Record<string, string> {
  return {
    accept: "application/json",
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(requestId === undefined ? {} : { "x-request-id": requestId }),
    ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}

/** The caller's `fetch`, one with the caller's certificates, or the runtime's. */
function chooseFetch({ fetch: given, tls }: ClientOptions): () => Promise<Fetch> | Fetch {
  if (given !== undefined) {
    return () => given;
  }
  if (tls === undefined) {
    return () => (input, init) => fetch(input, init);
  }
  let made: Promise<Fetch> | undefined;
  return () => {
    made ??= loadRuntime().then((runtime) => runtime.createTlsFetch(tls));
    return made;
  };
}

function jsonOrNull(answer: Answer): ReturnType<typeof readJson> {
  try {
    return readJson(answer);
  } catch {
    return null;
  }
}
