import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { clientName, type ReceiverTls, receiverOptions } from "./canned-server.ts";

/** A message of RFC 5424, taken apart. */
export interface SyslogMessage {
  readonly priority: number;
  readonly timestamp: string;
  readonly hostname: string;
  readonly appName: string;
  readonly procId: string;
  readonly msgId: string;
  /** Parameters by SD-ID. */
  readonly data: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Without a byte order mark. */
  readonly message: Buffer;
  readonly hasMark: boolean;
}

export interface SyslogReceiver {
  readonly port: number;
  /** All that was read so far. */
  readonly messages: readonly SyslogMessage[];
  /** What was no message. */
  readonly faults: readonly string[];
  /** The common name of the client certificate of each connection over TLS. */
  readonly clients: readonly string[];
  /** How connections are treated from now on. */
  manner: "reads" | "resets" | "never ends" | "ends at once";
  /** Ends all connections, and takes no more. */
  close(): Promise<void>;
}

/** Each part as RFC 5424 section 6 has it, strictly. */
const HEADER =
  /^<(0|[1-9][0-9]{0,2})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) (-|(?:\[[^= \]"]{1,32}(?: [^= \]"]{1,32}="(?:[^"\\\]]|\\.)*")*\])+)(?: |$)/;
const MARK = Buffer.of(0xef, 0xbb, 0xbf);

/** @throws Error when it is not exactly one message of RFC 5424. */
export function parseSyslog(bytes: Buffer): SyslogMessage {
  const match = HEADER.exec(bytes.toString("latin1"));
  if (match === null) {
    throw new Error(`no RFC 5424 message: ${bytes.subarray(0, 200).toString("latin1")}`);
  }
  const [head, priority, timestamp = "", hostname = "", appName = "", procId = "", msgId = "", structured = ""] = match;
  if (Number(priority) > 191 || Number.isNaN(Date.parse(timestamp))) {
    throw new Error(`priority or timestamp: ${head}`);
  }
  const rest = bytes.subarray(head.length);
  const hasMark = rest.subarray(0, 3).equals(MARK);
  const message = hasMark ? rest.subarray(3) : rest;
  if (hasMark) {
    new TextDecoder("utf-8", { fatal: true }).decode(message);
  }
  const data = Object.fromEntries(
    [...structured.matchAll(/\[([^ \]]+)((?: [^= ]+="(?:[^"\\\]]|\\.)*")*)\]/g)].map(([, id = "", parameters = ""]) => [
      id,
      Object.fromEntries(
        [...parameters.matchAll(/ ([^= ]+)="((?:[^"\\\]]|\\.)*)"/g)].map(([, name, value]) => [
          name,
          (value as string).replaceAll(/\\(["\\\]])/g, "$1"),
        ]),
      ),
    ]),
  );
  return { priority: Number(priority), timestamp, hostname, appName, procId, msgId, data, message, hasMark };
}

/** A receiver of RFC 6587's counted messages on loopback; with a certificate, of RFC 5425's. */
export async function startSyslogReceiver(port = 0, tls?: ReceiverTls): Promise<SyslogReceiver> {
  const messages: SyslogMessage[] = [];
  const faults: string[] = [];
  const clients: string[] = [];
  const sockets = new Set<Socket>();
  const receiver = { manner: "reads" as SyslogReceiver["manner"] };

  const take = (socket: Socket): void => {
    socket.on("error", () => {});
    clients.push(...[clientName(socket)].filter((name) => name !== undefined));
    if (receiver.manner === "resets") {
      socket.resetAndDestroy();
      return;
    }
    if (receiver.manner === "ends at once") {
      socket.end();
      return;
    }
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const [count, digits] = /^([1-9][0-9]{0,8}) /.exec(rest.subarray(0, 10).toString("latin1")) ?? [];
        if (count === undefined) {
          if (rest.length > 10) {
            faults.push("no count");
            socket.destroy();
          }
          return;
        }
        const end = count.length + Number(digits);
        if (rest.length < end) {
          return;
        }
        try {
          messages.push(parseSyslog(rest.subarray(count.length, end)));
        } catch (error) {
          faults.push((error as Error).message);
        }
        rest = rest.subarray(end);
      }
    });
    socket.on("end", () => {
      if (rest.length > 0) {
        faults.push("a message was cut");
      }
      if (receiver.manner === "reads") {
        socket.end();
      }
    });
  };
  const server =
    tls === undefined
      ? createServer({ allowHalfOpen: true }, take)
      : createTlsServer({ ...receiverOptions(tls), allowHalfOpen: true }, take).on("tlsClientError", () => {});
  // Those below TLS as well: a handshake that failed leaves one.
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  return Object.assign(receiver, {
    port: (server.address() as AddressInfo).port,
    messages,
    faults,
    clients,
    close: async () => {
      server.close();
      for (const socket of sockets) {
        socket.destroy();
      }
      await once(server, "close");
    },
  });
}
