import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { TLSSocket, type TlsOptions } from "node:tls";

/** What a canned server is asked. */
export interface CannedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  /** The common name of the client certificate. */
  readonly client?: string | undefined;
}

/** What it answers; `hang` never answers. */
export type CannedAnswer =
  | "hang"
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** An object is sent as JSON. */
      readonly body?: string | Buffer | object;
    };

export interface CannedServer {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** All that it was asked so far. */
  readonly requests: readonly CannedRequest[];
  close(): Promise<void>;
}

export interface ReceiverTls {
  readonly cert: string;
  readonly key: string;
  /** PEM: only clients with a certificate of this authority are served. */
  readonly clientCa?: string;
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
}

/** What a server of node:tls is made with. */
export function receiverOptions({ cert, key, clientCa, maxVersion }: ReceiverTls): TlsOptions {
  return {
    ...{ cert, key },
    ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  };
}

/** The common name of the certificate that a client presented, if any. */
export function clientName(socket: unknown): string | undefined {
  return socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject?.CN) : undefined;
}

/** A server on loopback that answers as a test says: a service that misbehaves, or one that is too large to run here. */
export async function startCannedServer(
  answer: (request: CannedRequest) => CannedAnswer | Promise<CannedAnswer>,
  tls?: ReceiverTls,
): Promise<CannedServer> {
  const requests: CannedRequest[] = [];
  const listener: RequestListener = async (message, response) => {
    const body = Buffer.concat(await message.toArray());
    const client = clientName(message.socket);
    const request = { method: message.method ?? "", path: message.url ?? "", headers: message.headers, body, client };
    requests.push(request);
    const canned = await answer(request);
    if (canned === "hang") return;
    const isPlain = typeof canned.body === "string" || Buffer.isBuffer(canned.body) || canned.body === undefined;
    response.writeHead(canned.status, { "content-type": "application/json", ...canned.headers });
    response.end(isPlain ? canned.body : JSON.stringify(canned.body));
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(receiverOptions(tls), listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    port,
    requests,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A port of loopback on which nobody listens. */
export async function findClosedPort(): Promise<number> {
  const server = await startCannedServer(() => "hang");
  await server.close();
  return server.port;
}
