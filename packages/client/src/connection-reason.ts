import { ConnectionError, type ConnectionReason } from "./errors.ts";

const CHECK_ADDRESS = "Check the address, and that the server runs there.";
const TRUST = "Name the certificate of the authority that signed it (bunkms: --ca FILE); never turn verification off.";
const NO_TLS_THERE = "If the server runs without TLS, the address begins with http:// or, for gRPC, grpc://.";

/** What passes by itself. */
const passing = (text: string, advice: string): ConnectionReason => ({ text, advice, retryable: true });
/** What stays until somebody changes something. */
const lasting = (text: string, advice: string): ConnectionReason => ({ text, advice, retryable: false });

/** By the code of the error that the runtime gives. */
const REASONS: ReadonlyMap<string, ConnectionReason> = new Map(
  Object.entries({
    ECONNREFUSED: passing("nothing listens there", CHECK_ADDRESS),
    ConnectionRefused: passing("nothing listens there", CHECK_ADDRESS),
    ECONNRESET: passing("the connection was closed", "Try again; if it stays so, look at the server's log."),
    UND_ERR_SOCKET: passing(
      "the connection was closed",
      "If the server speaks TLS, the address begins with https://. Else look at the server's log.",
    ),
    ERR_HTTP2_STREAM_CANCEL: passing(
      "the connection was closed",
      "Try again; if it stays so, look at the server's log.",
    ),
    ERR_HTTP2_GOAWAY_SESSION: passing("the server closes its connections", "Try again; it may be starting anew."),
    ERR_HTTP2_ERROR: lasting(
      "it does not speak gRPC",
      "The address must be the server's gRPC address, which has a port of its own.",
    ),
    ENOTFOUND: lasting("there is no such host", "Check the host name."),
    EAI_AGAIN: passing("the host name could not be looked up", "Check the network and its name service."),
    EHOSTUNREACH: passing("there is no way to that host", "Check the network."),
    ENETUNREACH: passing("there is no way to that network", "Check the network."),
    ETIMEDOUT: passing("no connection in time", CHECK_ADDRESS),
    UND_ERR_CONNECT_TIMEOUT: passing("no connection in time", CHECK_ADDRESS),
    ERR_SSL_WRONG_VERSION_NUMBER: lasting("it does not speak TLS", NO_TLS_THERE),
    ERR_SSL_PACKET_LENGTH_TOO_LONG: lasting("it does not speak TLS", NO_TLS_THERE),
    DEPTH_ZERO_SELF_SIGNED_CERT: lasting("its certificate is signed by itself", TRUST),
    SELF_SIGNED_CERT_IN_CHAIN: lasting("its certificate is of an unknown authority", TRUST),
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: lasting("its certificate is of an unknown authority", TRUST),
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: lasting("its certificate is of an unknown authority", TRUST),
    CERT_HAS_EXPIRED: lasting("its certificate has expired", "Renew the server's certificate."),
    ERR_TLS_CERT_ALTNAME_INVALID: lasting(
      "its certificate is for another name",
      "Use a host name that the certificate lists.",
    ),
  }),
);

const UNKNOWN = passing("the connection failed", CHECK_ADDRESS);

/** Says in words why a connection failed. In browsers, which tell nothing, the reason is general. */
export function connectionError(origin: string, cause: unknown): ConnectionError {
  return new ConnectionError(origin, REASONS.get(codeOf(cause)) ?? UNKNOWN, { cause });
}

/** The error for a server that did not answer in time. */
export function timeoutError(origin: string, timeoutMs: number, cause: unknown): ConnectionError {
  const text = `no answer within ${timeoutMs / 1000} s`;
  return new ConnectionError(origin, lasting(text, "Look at the server's log and load, or allow more time."), {
    cause,
  });
}

/** The innermost code: `fetch` wraps the socket's error, and a host with several addresses wraps once more. */
function codeOf(error: unknown): string {
  let code = "";
  for (let at = error; at instanceof Error; at = at.cause) {
    const own = (at as Error & { readonly code?: unknown }).code;
    code = typeof own === "string" ? own : code;
  }
  return code;
}
