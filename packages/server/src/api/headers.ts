import { randomBytes } from "../crypto/random.ts";

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const BEARER = /^Bearer ([!-~]{1,256})$/i;

/** The caller's request id when it is a plain one (1 to 64 letters, digits, `.`, `_`, `-`), else a new random one. */
export function chooseRequestId(given: unknown): string {
  return typeof given === "string" && REQUEST_ID.test(given) ? given : randomBytes(12).toString("hex");
}

/** The token of an Authorization header (RFC 6750 section 2.1); undefined when there is none. */
export function bearerToken(header: unknown): string | undefined {
  return typeof header === "string" ? BEARER.exec(header)?.[1] : undefined;
}
