import { isErrorCode } from "@bunkms/contract";
import { BunkmsApiError, ConnectionError, UnexpectedAnswerError } from "./errors.ts";

/**
 * How often and when a call is sent again: after a connection that failed, and after 429, 502, 503 and 504 (gRPC:
 * RESOURCE_EXHAUSTED and UNAVAILABLE). A call that changes something has the same idempotency key each time, so that it is
 * done once.
 */
export interface RetryPolicy {
  /** How often a call is sent at most, the first time among them: 4 unless said otherwise, 1 for once. */
  readonly attempts?: number;
  /** Milliseconds, the most that the first pause lasts; each further one has twice as much. 100 by default. */
  readonly firstPauseMs?: number;
  /** Milliseconds, the most that any pause lasts for which the server did not ask. 5,000 by default. */
  readonly longestPauseMs?: number;
  /** Asked of each failure after which a call would be sent again; without it, always. */
  readonly isWorthwhile?: (error: Error) => boolean;
}

/** A policy with all its numbers. */
export type FullRetryPolicy = Required<RetryPolicy>;

const DEFAULTS: FullRetryPolicy = {
  attempts: 4,
  firstPauseMs: 100,
  longestPauseMs: 5_000,
  isWorthwhile: () => true,
};

/** Statuses of what stands between, or of the server, that pass. */
const PASSING: readonly number[] = [429, 502, 503, 504];

/** Completes a policy; false is none. @throws RangeError for numbers that make no sense. */
export function retryPolicy(given: RetryPolicy | false | undefined): FullRetryPolicy {
  const policy = given === false ? { ...DEFAULTS, attempts: 1 } : { ...DEFAULTS, ...given };
  if (!Number.isInteger(policy.attempts) || policy.attempts < 1) {
    throw new RangeError("a call is sent at least once: attempts must be a whole number from 1 on");
  }
  if (!(policy.firstPauseMs >= 0) || !(policy.longestPauseMs >= 0)) {
    throw new RangeError("pauses must not be negative");
  }
  return policy;
}

/** Whether the same call, sent again, may go better. */
export function isPassing(error: unknown): error is ConnectionError | BunkmsApiError | UnexpectedAnswerError {
  if (error instanceof ConnectionError) {
    return error.retryable;
  }
  if (error instanceof BunkmsApiError) {
    // The contract knows better than the status: a vault whose log is full does not become empty by waiting.
    return PASSING.includes(error.httpStatus) && (error.retryable || !isErrorCode(error.code));
  }
  return error instanceof UnexpectedAnswerError && PASSING.includes(error.httpStatus);
}

/**
 * How many milliseconds to wait before the next try: exponential with full jitter, so that callers who failed together do
 * not come again together; and never less than the server asked for.
 * @param failures How many tries have failed, from 1 on.
 */
export function pauseBefore(policy: FullRetryPolicy, failures: number, error: unknown): number {
  const most = Math.min(policy.longestPauseMs, policy.firstPauseMs * 2 ** (failures - 1));
  const asked = error instanceof ConnectionError ? undefined : (error as BunkmsApiError).retryAfterMs;
  // When callers come again is no secret.
  return (asked ?? 0) + Math.random() * most;
}

/**
 * A Retry-After header (RFC 9110 section 10.2.3), seconds or a date, in milliseconds from now.
 * @returns undefined for none, and for what is neither.
 */
export function readRetryAfter(header: string | null | undefined, now = Date.now()): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) {
    return Number(text) * 1000;
  }
  const at = /^[A-Z][a-z]{2}, \d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
