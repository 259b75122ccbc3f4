import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** An HTTP request, written as no client library would. */
export interface RawRequest {
  readonly method?: string;
  /** Request target, byte for byte (Latin-1). */
  readonly target: string;
  readonly token?: string | undefined;
  /** Whole lines. */
  readonly headers?: readonly string[];
  /** Sent as JSON. */
  readonly body?: string;
}

/** Opens a TCP connection to a server's REST address. Its errors are passed over: what came before them counts. */
export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.on("error", () => {});
  return socket;
}

/** The bytes of a request after which the connection ends. */
export function requestBytes({ method = "GET", target, token, headers = [], body }: RawRequest): Buffer {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    "host: localhost",
    "connection: close",
    ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
    ...(body === undefined ? [] : ["content-type: application/json", `content-length: ${Buffer.byteLength(body)}`]),
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), Buffer.from(body ?? "")]);
}
