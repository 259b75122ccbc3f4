import type { RetryPolicy } from "./retry.ts";

/** The standard `fetch`, or one of its form: a proxy, a test. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** A token, or what gets the present one: it is asked anew each time that a call is sent. */
export type TokenSource = string | (() => string | Promise<string>);

/** Whom to trust, and who we are. All in PEM. Not in browsers, where both are the browser's own matter. */
export interface TlsOptions {
  /** Certificates of the authorities to trust, in place of the runtime's own. */
  readonly ca?: string;
  /** The client's certificate, where the server asks for one (mTLS), with those between it and its authority. */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
}

/** Where and how a client sends. */
export interface ClientOptions {
  /**
   * The server's address: `https://kms.example.com:8080` or `http://…` for REST, where a path before `/v1` is kept;
   * `grpcs://kms.example.com:8081` or `grpc://…` for gRPC, everywhere but in browsers.
   */
  readonly url: string;
  /** Without one, only what needs no token works. */
  readonly token?: TokenSource;
  /** Milliseconds until a call is given up, with all its tries; 30,000 by default. Streams go on without an end. */
  readonly timeoutMs?: number;
  /** How calls are sent again; false for never. */
  readonly retry?: RetryPolicy | false;
  /** For an address of TLS, and not with a `fetch` of your own. */
  readonly tls?: TlsOptions;
  /** For REST; the runtime's own by default. */
  readonly fetch?: Fetch;
}

/** Options of a single call. */
export interface CallOptions {
  /** Gives the call up; it then rejects with the signal's reason. The server may have done it nevertheless. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the call is given up, in place of the client's. For a stream, until the whole of it is. */
  readonly timeoutMs?: number;
  /** Names the call in the server's log and audit log: 1 to 64 letters, digits, `.`, `_`, `-`. The server's choice else. */
  readonly requestId?: string;
  /**
   * Under which the server does a call that changes something once only, and gives the first answer to whoever sends it again
   * within a day: 1 to 64 letters, digits, `_`, `-`. A random one by default, the same at each try of one call. Give one to
   * a call that is to be made once although this process may end and be started again.
   */
  readonly idempotencyKey?: string;
}
