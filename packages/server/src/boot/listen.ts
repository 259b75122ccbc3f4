import { once } from "node:events";
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import * as grpc from "@grpc/grpc-js";
import type { ListenAddress } from "../config/value-type.ts";
import type { TlsPair, TlsSource } from "./tls.ts";

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
  };
  const server = tls === undefined ? createServer(options, listener) : tlsServer(options, listener, tls);
  server.maxConnections = MAX_CONNECTIONS;
  server.on("clientError", refuseMalformed);
  server.listen(address.port, address.host);
  await once(server, "listening");
  return { address: shown(address.host, (server.address() as AddressInfo).port), close: (ms) => closeRest(server, ms) };
}

function tlsServer(options: ServerOptions, listener: RequestListener, tls: TlsSource): Server {
  const server = createTlsServer({ ...options, ...tls.pair, minVersion: "TLSv1.2" }, listener);
  tls.onChange((pair) => server.setSecureContext({ ...pair, minVersion: "TLSv1.2" }));
  return server;
}

/** What is not HTTP gets the error body of the contract, and the connection ends. */
function refuseMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
  const body = '{"error":"the request is malformed","code":"invalid_request","request_id":""}';
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
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
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: shown(address.host, port), close: (ms) => closeGrpc(server, ms) };
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
      listener(certificate(tls.pair));
    },
    removeIdentityCertificateListener(listener) {
      listeners.delete(listener);
    },
  };
  return grpc.experimental.createCertificateProviderServerCredentials(provider as never, null as never, false);
}

async function closeGrpc(server: grpc.Server, graceMs: number): Promise<void> {
  const timer = setTimeout(() => server.forceShutdown(), graceMs);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(timer);
}

/** Host and port in one text, an IPv6 address in brackets. */
function shown(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
