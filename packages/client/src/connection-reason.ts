import { ConnectionError } from "./errors.ts";

/** Why a connection failed, in words, and what to do. */
interface Reason {
  readonly reason: string;
  readonly advice: string;
}

const CHECK_ADDRESS = "Check the address, and that the server runs there.";
const TRUST = "Name the certificate of the authority that signed it (bunkms: --ca FILE); never turn verification off.";

/** By the code of the error that the runtime gives. */
const REASONS: ReadonlyMap<string, Reason> = new Map(
  Object.entries({
    ECONNREFUSED: { reason: "nothing listens there", advice: CHECK_ADDRESS },
    ECONNRESET: { reason: "the connection was closed", advice: "Try again; if it stays so, look at the server's log." },
    UND_ERR_SOCKET: {
      reason: "the connection was closed",
      advice: "If the server speaks TLS, the address begins with https://. Else look at the server's log.",
    },
    ENOTFOUND: { reason: "there is no such host", advice: "Check the host name." },
    EAI_AGAIN: { reason: "the host name could not be looked up", advice: "Check the network and its name service." },
    EHOSTUNREACH: { reason: "there is no way to that host", advice: "Check the network." },
    ENETUNREACH: { reason: "there is no way to that network", advice: "Check the network." },
    ETIMEDOUT: { reason: "no connection in time", advice: CHECK_ADDRESS },
    UND_ERR_CONNECT_TIMEOUT: { reason: "no connection in time", advice: CHECK_ADDRESS },
    ERR_SSL_WRONG_VERSION_NUMBER: {
      reason: "it does not speak TLS",
      advice: "If the server runs without TLS, the address begins with http://.",
    },
    ERR_SSL_PACKET_LENGTH_TOO_LONG: {
      reason: "it does not speak TLS",
      advice: "If the server runs without TLS, the address begins with http://.",
    },
    DEPTH_ZERO_SELF_SIGNED_CERT: { reason: "its certificate is signed by itself", advice: TRUST },
    SELF_SIGNED_CERT_IN_CHAIN: { reason: "its certificate is of an unknown authority", advice: TRUST },
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: { reason: "its certificate is of an unknown authority", advice: TRUST },
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { reason: "its certificate is of an unknown authority", advice: TRUST },
    CERT_HAS_EXPIRED: { reason: "its certificate has expired", advice: "Renew the server's certificate." },
    ERR_TLS_CERT_ALTNAME_INVALID: {
      reason: "its certificate is for another name",
      advice: "Use a host name that the certificate lists.",
    },
  }),
);

/** Says in words why `fetch` threw. In browsers, which tell nothing, the reason is general. */
export function connectionError(origin: string, cause: unknown): ConnectionError {
  const known = REASONS.get(codeOf(cause));
  const reason = known?.reason ?? "the connection failed";
  return new ConnectionError(origin, reason, known?.advice ?? CHECK_ADDRESS, { cause });
}

/** The error for a server that did not answer in time. */
export function timeoutError(origin: string, timeoutMs: number, cause: unknown): ConnectionError {
  const reason = `no answer within ${timeoutMs / 1000} s`;
  return new ConnectionError(origin, reason, "Look at the server's log and load, or allow more time.", { cause });
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
