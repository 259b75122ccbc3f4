import type { DescMessage } from "@bufbuild/protobuf";
import { type Answer, decodeAnswer, readJson } from "./answer-decoding.ts";
import { ByteQueue } from "./byte-queue.ts";
import { connectionError } from "./connection-reason.ts";
import type { Bytes } from "./crypto/bytes.ts";
import { RequestError, UnexpectedAnswerError } from "./errors.ts";
import { chunksOf } from "./file/byte-source.ts";
import type { ClientOptions, Fetch } from "./options.ts";
import { encodeRequest } from "./request-encoding.ts";
import { readRetryAfter } from "./retry.ts";
import { loadRuntime } from "./runtime-loader.ts";
import { type Attempt, MOST_ANSWER_BYTES, type Wire } from "./wire.ts";

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
        body: await readBody(response, origin),
        retryAfterMs: readRetryAfter(response.headers.get("retry-after")),
      };
    } catch (error) {
      throw error instanceof UnexpectedAnswerError ? error : connectionError(origin, error);
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

/** Reads an answer's body, however far a compressed one unfolds. @throws UnexpectedAnswerError for more than any has. */
async function readBody({ body, status }: Response, origin: string): Promise<Bytes> {
  const input = new ByteQueue(chunksOf(body ?? []));
  try {
    if (await input.has(MOST_ANSWER_BYTES + 1)) {
      throw new UnexpectedAnswerError(`${origin} answered with more bytes than any answer of BunKMS has`, status);
    }
    return input.take(input.length);
  } finally {
    await input.close();
  }
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
