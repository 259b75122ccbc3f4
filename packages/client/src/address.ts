import { RequestError } from "./errors.ts";

/** By the scheme of an address, the way to the server. */
const SCHEMES: ReadonlyMap<string, "rest" | "grpc"> = new Map([
  ["http:", "rest"],
  ["https:", "rest"],
  ["grpc:", "grpc"],
  ["grpcs:", "grpc"],
]);

/** A server's address, and the way there. */
export interface Address {
  readonly kind: "rest" | "grpc";
  readonly url: URL;
}

/**
 * Reads a server's address.
 * @throws RequestError when it is of no scheme known here, names no host, or carries a password, a query, a fragment, or
 * for gRPC a path.
 */
export function parseAddress(text: string): Address {
  const url = URL.parse(text);
  const kind = SCHEMES.get(url?.protocol ?? "");
  if (url === null || kind === undefined || url.hostname === "") {
    throw new RequestError(
      "the server's address must begin with https:// or http:// (REST), grpcs:// or grpc://, and name a host",
    );
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new RequestError("the server's address must not hold a user, password, query or fragment");
  }
  if (kind === "grpc" && (url.port === "" || !["", "/"].includes(url.pathname))) {
    throw new RequestError("a gRPC address is a host and a port: grpcs://kms.example.com:8081");
  }
  return { kind, url };
}
