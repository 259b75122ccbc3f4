import { REQUEST_ID_FORM } from "@bunkms/contract";
import { timeoutError } from "./connection-reason.ts";
import { RequestError } from "./errors.ts";
import type { CallOptions, ClientOptions, TokenSource } from "./options.ts";
import { type FullRetryPolicy, isPassing, pauseBefore, retryPolicy } from "./retry.ts";
import type { Attempt } from "./wire.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
/** About 24 days. A timer for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What one call is besides its options. */
interface Call {
  /** Whether to send the token. */
  readonly authenticated: boolean;
  /** Whether it may be sent again when nobody knows whether it was done. */
  readonly repeatable: boolean;
  readonly idempotencyKey?: string | undefined;
}

/** Makes calls: asks for the token, counts the time, and tries again. */
export class Caller {
  readonly #origin: string;
  readonly #token: TokenSource | undefined;
  readonly #timeoutMs: number;
  readonly #policy: FullRetryPolicy;

  /** @throws RangeError for a policy that makes no sense. */
  constructor(origin: string, { token, timeoutMs = DEFAULT_TIMEOUT_MS, retry }: ClientOptions) {
    this.#origin = origin;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    this.#policy = retryPolicy(retry);
  }

  /** Makes a call that ends with one answer, in as many tries as the policy and the time allow. */
  async run<T>(call: Call, options: CallOptions, send: (attempt: Attempt) => Promise<T>): Promise<T> {
    const time = new TimeLimit(options.timeoutMs ?? this.#timeoutMs, options.signal);
    try {
      return await this.#tryAgain(call, options, time, send);
    } catch (error) {
      time.throwIfOver(this.#origin, error);
      throw error;
    } finally {
      time.end();
    }
  }

  async #tryAgain<T>(
    call: Call,
    options: CallOptions,
    time: TimeLimit,
    send: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    for (let failures = 0; ; ) {
      try {
        return await send(await this.#attempt(call, options, time));
      } catch (error) {
        failures += 1;
        if (time.signal.aborted || !call.repeatable || failures >= this.#policy.attempts || !isPassing(error)) {
          throw error;
        }
        const pause = pauseBefore(this.#policy, failures, error);
        // What the server or the network said is more use than that the time was over while nothing was tried.
        if (pause >= Math.min(time.remainingMs, LONGEST_TIMER_MS) || !this.#policy.isWorthwhile(error)) {
          throw error;
        }
        await time.sleep(pause);
      }
    }
  }

  /** Makes a call whose answers go on. It is tried once, and has no end but its own, unless its options give it one. */
  async *stream<T>(options: CallOptions, send: (attempt: Attempt) => AsyncGenerator<T>): AsyncGenerator<T> {
    const time = new TimeLimit(options.timeoutMs ?? Number.POSITIVE_INFINITY, options.signal);
    try {
      yield* send(await this.#attempt({ authenticated: true, repeatable: false }, options, time));
    } catch (error) {
      time.throwIfOver(this.#origin, error);
      throw error;
    } finally {
      time.end();
    }
  }

  async #attempt(call: Call, { requestId }: CallOptions, time: TimeLimit): Promise<Attempt> {
    // The runtime's complaint about it would look like a connection that failed.
    if (requestId !== undefined && !REQUEST_ID_FORM.test(requestId)) {
      throw new RequestError("a request id has 1 to 64 letters, digits, ., _ and -");
    }
    time.signal.throwIfAborted();
    const token = call.authenticated && this.#token !== undefined ? await time.race(readToken(this.#token)) : undefined;
    // Again: a signal that is aborted already tells nobody.
    time.signal.throwIfAborted();
    return {
      signal: time.signal,
      remainingMs: Number.isFinite(time.remainingMs) ? Math.max(1, Math.ceil(time.remainingMs)) : undefined,
      token,
      requestId,
      idempotencyKey: call.idempotencyKey,
    };
  }
}

/** When a call ends whatever happens: after its time, or when its caller gives it up. */
class TimeLimit {
  readonly #given: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #end: number;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(timeoutMs: number, given: AbortSignal | undefined) {
    this.#given = given;
    this.#timeoutMs = timeoutMs;
    this.#end = performance.now() + timeoutMs;
    if (timeoutMs <= LONGEST_TIMER_MS) {
      // Not AbortSignal.timeout: while a call is under way, the process lives.
      this.#timer = setTimeout(() => {
        this.#isOver = true;
        this.#controller.abort(new DOMException("the time for the call is over", "TimeoutError"));
      }, timeoutMs);
    }
    given?.addEventListener("abort", this.#giveUp);
    if (given?.aborted) {
      this.#giveUp();
    }
  }

  readonly #giveUp = (): void => this.#controller.abort(this.#given?.reason);

  /** Aborted at either. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The call has ended: lets go of timer and signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener("abort", this.#giveUp);
  }

  get remainingMs(): number {
    return this.#end - performance.now();
  }

  /** @throws the caller's reason, or ConnectionError when the time is over. */
  throwIfOver(origin: string, cause: unknown): void {
    if (this.#given?.aborted) {
      throw this.#given.reason;
    }
    if (this.#isOver) {
      throw timeoutError(origin, this.#timeoutMs, cause);
    }
  }

  /** Rejects when it is over before the promise settles. */
  async race<T>(promise: Promise<T>): Promise<T> {
    const over = Promise.withResolvers<never>();
    const end = (): void => over.reject(this.signal.reason as Error);
    this.signal.addEventListener("abort", end);
    try {
      return await Promise.race([promise, over.promise]);
    } finally {
      this.signal.removeEventListener("abort", end);
    }
  }

  /** Rejects when it is over before. */
  async sleep(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    try {
      await this.race(promise);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function readToken(source: TokenSource): Promise<string> {
  const token = typeof source === "string" ? source : await source();
  // Checked here, because the runtime's own complaint about a bad header quotes the header.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new RequestError("the token is empty or holds characters that no token has");
  }
  return token;
}
