import { once } from "node:events";
import type { RequestListener, Server, ServerOptions } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { ERRORS, type ErrorCode, RETRY_AFTER_S } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import { chooseRequestId } from "../api/headers.ts";
import type { ListenAddress } from "../config/value-type.ts";
import type { TlsPair, TlsSource } from "./tls.ts";

// Not imported: an import of the module reads each of its exports, and the lazy ones load a whole HTTP client (7 MB, 20 ms). That of
// node:tls would parse all certificates that are built in. scripts/checks/boundaries.ts refuses such imports.
const { createServer } = process.getBuiltinModule("node:http");
const { createServer: createTlsServer } = process.getBuiltinModule("node:https");

/** A listener at work. */
export interface Listener {
  /** Host and port as they are, the port chosen when 0 was asked for. */
  readonly address: string;
  /** Takes no further connections, lets what is under way end, for at most this long. */
  close(graceMs: number): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 65_000;
const MAX_CONNECTIONS = 20_000;
const MAX_HEADER_BYTES = 16 * 1024;

/** Listens for REST. */
export async function listenRest(
  address: ListenAddress,
  listener: RequestListener,
  tls: TlsSource | undefined,
): Promise<Listener> {
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 2_000,
    // Node would answer without a body; nothing here depends on the header.
    requireHostHeader: false,
  };
  const server = tls === undefined ? createServer(options, listener) : tlsServer(options, listener, tls);
  server.maxConnections = MAX_CONNECTIONS;
  server.on("clientError", refuseMalformed);
  server.on("connect", (_request, socket) => refuse(socket, "method_not_allowed", "405 Method Not Allowed"));
  // An expectation that is not known is no reason to refuse (RFC 9110 section 10.1.1 leaves it open).
  server.on("checkExpectation", listener);
  server.listen(address.port, anyOr(address.host));
  await once(server, "listening").catch((cause) => {
    throw cannotListen("--addr", address, cause);
  });
  return { address: shown(address.host, (server.address() as AddressInfo).port), close: (ms) => closeRest(server, ms) };
}

function tlsServer(options: ServerOptions, listener: RequestListener, tls: TlsSource): Server {
  const server = createTlsServer({ ...options, ...tls.pair, minVersion: "TLSv1.2" }, listener);
  tls.onChange((pair) => server.setSecureContext({ ...pair, minVersion: "TLSv1.2" }));
  return server;
}

/** What is not HTTP gets the error body of the contract, and the connection ends. */
function refuseMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === "HPE_HEADER_OVERFLOW") {
    refuse(socket, "payload_too_large", "413 Content Too Large");
  } else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    refuse(socket, "deadline_exceeded", "503 Service Unavailable");
  } else {
    refuse(socket, "invalid_request", "400 Bad Request");
  }
}

/** So long a refused connection may still send, so that its answer is not lost, before it is destroyed. */
const REFUSED_MS = 1_000;

/** Answers on a connection that Node handed over: nobody else listens to its errors, ends it or remembers it. */
function refuse(socket: Duplex, code: ErrorCode, status: string): void {
  socket.on("error", () => socket.destroy());
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const requestId = chooseRequestId(undefined);
  const body = JSON.stringify({ error: ERRORS[code].text, code, request_id: requestId });
  const head = [
    `HTTP/1.1 ${status}`,
    "content-type: application/json",
    `content-length: ${body.length}`,
    `x-request-id: ${requestId}`,
    "cache-control: no-store",
    ...(ERRORS[code].retryable ? [`retry-after: ${RETRY_AFTER_S}`] : []),
    "connection: close",
  ];
  socket.once("finish", () => {
    socket.resume();
    setTimeout(() => socket.destroy(), REFUSED_MS);
  });
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

async function closeRest(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(timer);
}

/** Listens for gRPC. */
export async function listenGrpc(
  address: ListenAddress,
  server: grpc.Server,
  tls: TlsSource | undefined,
): Promise<Listener> {
  const credentials = tls === undefined ? grpc.ServerCredentials.createInsecure() : tlsCredentials(tls);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(shown(address.host, address.port), credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(cannotListen("--grpc-addr", address, error)),
    );
  });
  const bound = shown(address.host, port);
  return { address: bound, close: (ms) => closeGrpc(server, bound, ms) };
}

/**
 * Credentials whose certificate can change. grpc-js offers that as experimental and passes what its declaration calls
 * the CA provider as the identity provider (1.14.7, pinned; the TLS test would fail if that changed).
 */
function tlsCredentials(tls: TlsSource): grpc.ServerCredentials {
  const certificate = ({ cert, key }: TlsPair) => ({ certificate: cert, privateKey: key });
  const listeners = new Set<(update: ReturnType<typeof certificate> | null) => void>();
  tls.onChange((pair) => {
    for (const listener of listeners) {
      listener(certificate(pair));
    }
  });
  const provider: grpc.experimental.CertificateProvider = {
    addCaCertificateListener() {},
    removeCaCertificateListener() {},
    addIdentityCertificateListener(listener) {
      listeners.add(listener);
      // Later: grpc-js asks before it has registered whom the answer is for, and an answer at once would be lost.
      queueMicrotask(() => listener(certificate(tls.pair)));
    },
    removeIdentityCertificateListener(listener) {
      listeners.delete(listener);
    },
  };
  return grpc.experimental.createCertificateProviderServerCredentials(provider as never, null as never, false);
}

async function closeGrpc(server: grpc.Server, bound: string, graceMs: number): Promise<void> {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  // After the grace time nothing is waited for: grpc-js cannot end every stream by force.
  const timer = setTimeout(end, graceMs);
  // First, for it destroys only the connections that it has closed itself. `forceShutdown` destroys none: it knows them by
  // channelz, which is off.
  server.drain(bound, graceMs);
  server.tryShutdown(() => end());
  await ended;
  clearTimeout(timer);
}

const WHY_NOT: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "another program is there already"],
  ["EADDRNOTAVAIL", "this machine does not have that address"],
  ["EACCES", "this user may not use that port"],
]);

/** Why a listener could not be opened. */
export function cannotListen(flag: string, { host, port }: ListenAddress, cause: unknown): Error {
  // What grpc-js says has the code in its text alone.
  const code = /\bE[A-Z]+\b/.exec((cause as Error).message)?.[0] ?? "unknown error";
  return new Error(`${flag}: cannot listen on ${shown(host, port)}: ${WHY_NOT.get(code) ?? code}`, { cause });
}

/** The host to listen on; undefined for all addresses, which Node takes to be those of IPv4 alone where there is no IPv6. */
export function anyOr(host: string): string | undefined {
  return host === "::" ? undefined : host;
}

/** Host and port in one text, an IPv6 address in brackets. */
export function shown(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
