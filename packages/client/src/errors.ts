import type { ErrorCode } from "@bunkms/contract";

/** A code of the contract's error table, or one that a newer server knows: any other text. */
export type ApiErrorCode = ErrorCode | (string & Record<never, never>);

/** What the client knows of an error that the server answered. */
export interface ApiErrorInit {
  readonly code: ApiErrorCode;
  readonly message: string;
  readonly requestId: string;
  readonly httpStatus: number;
  readonly retryable: boolean;
  /** How long the server asked to wait before the next try. */
  readonly retryAfterMs?: number | undefined;
}

/** The server answered with an error. Switch on `code`; the message is text for people and may change. */
export class BunkmsApiError extends Error {
  /** Stable. */
  readonly code: ApiErrorCode;
  /** Names the call in the server's log and audit log. */
  readonly requestId: string;
  /** The status that REST has for it, over gRPC as well. */
  readonly httpStatus: number;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  /** How many milliseconds the server asked to wait before the next try; undefined when it did not. */
  readonly retryAfterMs: number | undefined;

  constructor(init: ApiErrorInit) {
    super(init.message);
    this.name = "BunkmsApiError";
    this.code = init.code;
    this.requestId = init.requestId;
    this.httpStatus = init.httpStatus;
    this.retryable = init.retryable;
    this.retryAfterMs = init.retryAfterMs;
  }
}

/** Why a connection failed, in words, and what to do. */
export interface ConnectionReason {
  readonly text: string;
  readonly advice: string;
  readonly retryable: boolean;
}

/** The server was not reached, or the connection broke: whether the call was done is not known then. */
export class ConnectionError extends Error {
  /** Scheme, host and port that were tried. */
  readonly url: string;
  /** What to do about it. */
  readonly advice: string;
  /** Whether it may be better at the next try: not with a certificate that is refused, and not when the time is over. */
  readonly retryable: boolean;

  constructor(url: string, reason: ConnectionReason, options?: { readonly cause?: unknown }) {
    super(`cannot reach ${url}: ${reason.text}`, options);
    this.name = "ConnectionError";
    this.url = url;
    this.advice = reason.advice;
    this.retryable = reason.retryable;
  }
}

/** Something answered that is not BunKMS, or not a version that this client understands. */
export class UnexpectedAnswerError extends Error {
  readonly httpStatus: number;
  /** As of a BunkmsApiError: what stands between may say when to come again, too. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, httpStatus: number, retryAfterMs?: number) {
    super(message);
    this.name = "UnexpectedAnswerError";
    this.httpStatus = httpStatus;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The request was not sent, because it cannot be expressed. The message never holds a value of the request. */
export class RequestError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "RequestError";
  }
}
