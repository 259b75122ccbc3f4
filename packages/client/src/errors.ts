/** What the client knows of an error that the server answered. */
export interface ApiErrorInit {
  readonly code: string;
  readonly message: string;
  readonly requestId: string;
  readonly httpStatus: number;
  readonly retryable: boolean;
}

/** The server answered with an error. Switch on `code`; the message is text for people and may change. */
export class BunkmsApiError extends Error {
  /** Stable code of the contract's error table, or one that a newer server knows. */
  readonly code: string;
  /** Names the call in the server's log and audit log. */
  readonly requestId: string;
  readonly httpStatus: number;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;

  constructor(init: ApiErrorInit) {
    super(init.message);
    this.name = "BunkmsApiError";
    this.code = init.code;
    this.requestId = init.requestId;
    this.httpStatus = init.httpStatus;
    this.retryable = init.retryable;
  }
}

/** The server was not reached, or the connection broke: whether the call was done is not known then. */
export class ConnectionError extends Error {
  /** Scheme, host and port that were tried. */
  readonly url: string;
  /** What to do about it. */
  readonly advice: string;

  constructor(url: string, reason: string, advice: string, options?: { readonly cause?: unknown }) {
    super(`cannot reach ${url}: ${reason}`, options);
    this.name = "ConnectionError";
    this.url = url;
    this.advice = advice;
  }
}

/** Something answered that is not BunKMS, or not a version that this client understands. */
export class UnexpectedAnswerError extends Error {
  readonly httpStatus: number;

  constructor(message: string, httpStatus: number, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "UnexpectedAnswerError";
    this.httpStatus = httpStatus;
  }
}

/** The request was not sent, because it cannot be expressed. The message never holds a value of the request. */
export class RequestError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "RequestError";
  }
}
