import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** What a connection brought back. */
export interface Exchange {
  /** All that came, as Latin-1. */
  readonly text: string;
  /** Bytes that this side's kernel took before the other side refused more. */
  readonly sent: number;
  /** Whether the other side ended the connection; false when this side did, since the time was up or it had enough. */
  readonly closed: boolean;
}

/** An HTTP/1.1 answer, read out of an exchange. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

const WAIT_MS = 20_000;

/** Opens a TCP connection. @param address `host:port`, or an `http://` address. */
export async function openConnection(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address.includes("://") ? address : `http://${address}`);
  const socket = connect(Number(port), hostname);
  // A reset is an ordinary way to refuse what is still being sent: tests look at what came before the end.
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** When an exchange ends from this side. */
export interface ExchangeOptions {
  /** After so long; 20 seconds by default. */
  readonly waitMs?: number;
  /** As soon as what came, as Latin-1, is enough. */
  readonly isEnough?: (text: string) => boolean;
  /** Whether nothing is read before all is sent, as simple clients do. */
  readonly readsLast?: boolean;
}

/**
 * Sends bytes as they are and reads until the other side ends the connection.
 * @param parts What to send, one after the other; a generator may go on for as long as it likes, since sending stops
 * when the other side refuses.
 */
export async function exchange(
  address: string,
  parts: Iterable<string | Buffer> | AsyncIterable<string | Buffer>,
  { waitMs = WAIT_MS, isEnough = () => false, readsLast = false }: ExchangeOptions = {},
): Promise<Exchange> {
  const socket = await openConnection(address);
  let text = "";
  let endedHere = false;
  const end = (): void => {
    endedHere = true;
    socket.destroy();
  };
  const read = (): void => {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (isEnough(text)) {
        end();
      }
    });
  };
  if (!readsLast) {
    read();
  }
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const timer = setTimeout(end, waitMs);
  await send(socket, parts);
  if (readsLast) {
    read();
  }
  await closed;
  clearTimeout(timer);
  return { text, sent: socket.bytesWritten, closed: !endedHere };
}

async function send(socket: Socket, parts: Iterable<string | Buffer> | AsyncIterable<string | Buffer>): Promise<void> {
  for await (const part of parts) {
    if (socket.destroyed) {
      return;
    }
    if (!socket.write(part)) {
      await new Promise<void>((resolve) => {
        socket.once("drain", resolve);
        socket.once("close", () => resolve());
      });
      socket.removeAllListeners("drain");
    }
  }
}

/** Reads the first answer of an exchange. @throws Error when it is none, or is not of a known length. */
export function readAnswer({ text }: Pick<Exchange, "text">): RawAnswer {
  const match = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n([\s\S]*?)\r\n\r\n([\s\S]*)$/.exec(text);
  if (match === null) {
    throw new Error(`no HTTP answer: ${JSON.stringify(text.slice(0, 200))}`);
  }
  const [, status, head = "", rest = ""] = match;
  const headers = new Map(
    head.split("\r\n").map((line): [string, string] => {
      const at = line.indexOf(":");
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
    }),
  );
  const length = headers.get("content-length");
  if (length === undefined) {
    throw new Error(`an HTTP answer without a content length: ${JSON.stringify(text.slice(0, 200))}`);
  }
  return { status: Number(status), headers, body: rest.slice(0, Number(length)) };
}
