import { type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from "node:http2";
import { connectionError } from "../connection-reason.ts";
import { UnexpectedAnswerError } from "../errors.ts";
import { oneLine } from "../said-text.ts";
import type { Attempt } from "../wire.ts";
import type { Channel } from "./channel.ts";
import { frameMessage, readMessages } from "./frames.ts";
import { type Fields, type GrpcStatus, readStatus, statusError } from "./status.ts";

/** The largest number that a `grpc-timeout` holds. */
const MOST_TIMEOUT_MS = 99_999_999;

/**
 * One gRPC call of any kind: requests out, answers in, and at the end the status (gRPC over HTTP/2). Neither side runs ahead
 * of the other: a request is taken when the connection has room for it, and an answer is read when it is asked for.
 * @param path `/package.Service/Method`.
 * @throws BunkmsApiError for a status that is no success; UnexpectedAnswerError, ConnectionError; what `requests` throws.
 */
export async function* exchange(
  channel: Channel,
  path: string,
  requests: AsyncIterable<Uint8Array>,
  attempt: Attempt,
): AsyncGenerator<Uint8Array> {
  attempt.signal.throwIfAborted();
  const stream = channel.request(headersOf(path, attempt));
  const call = new Call(stream, channel.origin);
  const giveUp = (): void => stream.close(constants.NGHTTP2_CANCEL);
  attempt.signal.addEventListener("abort", giveUp);
  const sending = send(stream, requests).catch((error: unknown) => call.fail(error));
  try {
    yield* readMessages(call.chunks(), channel.origin);
  } catch (error) {
    if (isTimeout(attempt.signal) && !call.heard) {
      // Not a byte in all that time: the way there may be dead without either side knowing.
      channel.retire();
    }
    throw error;
  } finally {
    attempt.signal.removeEventListener("abort", giveUp);
    if (!stream.closed) {
      giveUp();
    }
    await sending;
  }
}

/** Writes requests as the stream takes them, and ends it. Frames are zeroed once they are on their way. */
async function send(stream: ClientHttp2Stream, requests: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = requests[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await orClosed(stream, iterator.next());
      if (next === undefined || next.done) {
        break;
      }
      const frame = frameMessage(next.value);
      next.value.fill(0);
      // Called back when the frame was handed to the connection, which with flow control is when the server has room for it.
      await orClosed(stream, new Promise<void>((resolve) => stream.write(frame, () => resolve())));
      frame.fill(0);
    }
  } finally {
    // Not awaited: a source that waits for something of its own is told, and comes to it when it can.
    iterator.return?.().catch(() => {});
    if (!stream.closed) {
      stream.end();
    }
  }
}

/**
 * A promise's value, or undefined when the stream closes before. Not by Promise.race, which with something that lasts as long
 * as the stream keeps a trace of each message until then.
 */
function orClosed<T>(stream: ClientHttp2Stream, promise: Promise<T>): Promise<T | undefined> {
  const { promise: either, resolve, reject } = Promise.withResolvers<T | undefined>();
  const onClose = (): void => resolve(undefined);
  if (stream.closed || stream.destroyed) {
    onClose();
  } else {
    stream.once("close", onClose);
  }
  promise.then(resolve, reject).finally(() => stream.off("close", onClose));
  return either;
}

/** What comes back on one stream. */
class Call {
  readonly #stream: ClientHttp2Stream;
  readonly #origin: string;
  readonly #responded: Promise<void>;
  readonly #closed: Promise<void>;
  /** Trailers came, or none will. */
  readonly #settled: Promise<void>;
  #headers: Fields | undefined;
  #trailers: Fields | undefined;
  #failure: unknown;

  constructor(stream: ClientHttp2Stream, origin: string) {
    this.#stream = stream;
    this.#origin = origin;
    this.#closed = new Promise((resolve) => stream.once("close", () => resolve()));
    this.#responded = new Promise((resolve) => {
      stream.on("response", (headers) => {
        this.#headers = headers as Fields;
        resolve();
      });
      void this.#closed.then(resolve);
    });
    this.#settled = new Promise((resolve) => {
      stream.on("trailers", (trailers) => {
        this.#trailers = trailers as Fields;
        resolve();
      });
      void this.#closed.then(resolve);
    });
    stream.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  /** Whether anything came. */
  get heard(): boolean {
    return this.#headers !== undefined;
  }

  /** Ends the call because of something on this side. */
  fail(error: unknown): void {
    this.#failure = new OwnFailure(error);
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** What comes, up to the call's end. @throws unless that was a success. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#stream) {
        // Before anything is taken for an answer: what stands between may answer in HTML. Deno hands on data before headers.
        await this.#responded;
        this.#requireGrpc();
        yield chunk as Uint8Array;
      }
    } catch (error) {
      if (error instanceof UnexpectedAnswerError) {
        throw error;
      }
      this.#failure ??= error;
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    if (!this.#stream.closed && !this.#stream.writableEnded) {
      // The server has ended its side. Without this ours would keep the stream from closing.
      this.#stream.end();
    }
    if (this.#status() === undefined) {
      await this.#settled;
    }
    if (this.#status() !== undefined && !this.#stream.writableFinished) {
      // It has said all, and what it did not read of ours it may never read.
      this.#stream.close(constants.NGHTTP2_CANCEL);
    }
    await this.#closed;
    if (this.#failure instanceof OwnFailure) {
      throw this.#failure.cause;
    }
    const status = this.#status();
    if (status === undefined) {
      if (this.#headers !== undefined) {
        this.#requireGrpc();
      }
      throw connectionError(this.#origin, this.#failure);
    }
    if (status.code !== 0) {
      throw statusError(status);
    }
  }

  #status(): GrpcStatus | undefined {
    return readStatus(this.#trailers ?? {}) ?? readStatus(this.#headers ?? {});
  }

  #requireGrpc(): void {
    const { ":status": status, "content-type": type } = this.#headers ?? {};
    if (Number(status) !== 200 || !/^application\/grpc\b/.test(String(type))) {
      const text = `${this.#origin} answered ${status} (${oneLine(String(type ?? "no content type"))}), which is not gRPC`;
      throw new UnexpectedAnswerError(text, Number(status));
    }
  }
}

function isTimeout({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof Error && reason.name === "TimeoutError";
}

/** Keeps an error of the caller's requests apart from those of the connection. */
class OwnFailure extends Error {
  constructor(cause: unknown) {
    super("the requests failed", { cause });
  }
}

function headersOf(path: string, { token, requestId, idempotencyKey, remainingMs }: Attempt): OutgoingHttpHeaders {
  return {
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...(remainingMs === undefined ? {} : { "grpc-timeout": `${Math.min(remainingMs, MOST_TIMEOUT_MS)}m` }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(requestId === undefined ? {} : { "x-request-id": requestId }),
    ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
  };
}
