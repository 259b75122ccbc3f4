import { connect as connectPlain, isIP, type Socket } from "node:net";
import { hostname } from "node:os";
import { networkCode } from "../../remote/network-code.ts";
import type { ContextSource } from "../../remote/secure-context.ts";
import { decodeEntry } from "../entry.ts";
import { entryObject } from "./entry-line.ts";
import { DeliveryFailed, type Sink, type SinkEntry } from "./sink.ts";

// Not imported: see boot/listen.ts.
const { connect: connectTls } = process.getBuiltinModule("node:tls");

export interface SyslogSinkOptions {
  readonly host: string;
  readonly port: number;
  /** RFC 5425; without, TCP alone (RFC 6587), which the settings allow on loopback only. */
  readonly isTls: boolean;
  /** Asked for each connection; without, the built-in authorities are trusted, and no certificate is presented. */
  readonly tls?: ContextSource | undefined;
  /** The log's name (spec/audit.md). */
  readonly origin: string;
  /** What tests put in the place of the real. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
const MIN_WAIT_MS = 20;
const MAX_WAIT_MS = 1_000;
/** So long at least a session ticket is waited for. Receivers that give none cost each batch this time. */
const TICKET_MS = 250;
/** RFC 5424 section 6.2.1: facility 13, "log audit". */
const FACILITY = 13;
const CRITICAL = 2;
const NOTICE = 5;
const INFORMATIONAL = 6;
const MAX_HOSTNAME = 255;
const MAX_MSGID = 32;
/** RFC 5424 section 6.4: before text that is UTF-8 and not ASCII. */
const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);
const FIRST_NOT_ASCII = 0x80;

/**
 * Syslog (RFC 5424), each message with its length before it (RFC 6587 section 3.4.1, RFC 5425 section 4.3).
 *
 * Syslog has no acknowledgement, so the end of the connection is made one: after a batch this side ends it, and waits for the
 * other side to end it as well. A receiver does so when it has read up to the end; if it goes away with something unread, its
 * system resets the connection instead, and that is a failure here. It could also have gone away just before the batch
 * arrived; then its end is here within a round trip after the batch was sent. So long is waited, and an end before that is a
 * failure as well. The argument does not hold for what stands in between: a relay that reads for another answers for itself.
 *
 * With TLS 1.3 this side may send before the other has looked at the client certificate, or missed it (RFC 8446 section
 * 4.4.2.4), and a receiver that then refuses may have read the batch with it. It gives session tickets after that (section 4.6.1),
 * or an alert; so nothing is sent before the first ticket. One that gives no tickets, or judges the certificate by itself after the
 * handshake, refuses without an alert, and takes longer for that than is waited here, could still be taken for one that has read.
 */
export class SyslogSink implements Sink {
  readonly name = "syslog";
  readonly #options: SyslogSinkOptions;
  readonly #host = printable(hostname(), MAX_HOSTNAME);

  constructor(options: SyslogSinkOptions) {
    this.#options = options;
  }

  async deliver(entries: readonly SinkEntry[], signal: AbortSignal): Promise<void> {
    const { timeoutMs = TIMEOUT_MS } = this.#options;
    const bytes = Buffer.concat(entries.map((entry) => this.#frame(entry)));
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      await this.#send(bytes, AbortSignal.any([signal, deadline]));
    } catch (error) {
      signal.throwIfAborted();
      const reason = deadline.aborted
        ? `did not end within ${timeoutMs / 1000} s`
        : (networkCode(error) ?? "broke off");
      throw new DeliveryFailed(`syslog: the connection ${reason}`);
    }
  }

  async close(): Promise<void> {}

  #frame(entry: SinkEntry): Buffer {
    const { time, operation, outcome, critical } = decodeEntry(entry.bytes);
    const priority = FACILITY * 8 + (critical ? CRITICAL : outcome === "ok" ? INFORMATIONAL : NOTICE);
    const head =
      `<${priority}>1 ${new Date(time).toISOString()} ${this.#host} bunkms ${process.pid} ` +
      `${printable(operation, MAX_MSGID)} [bunkms@32473 index="${entry.index}" log="${this.#options.origin}"] `;
    const content = entryObject(entry);
    const isAscii = content.every((byte) => byte < FIRST_NOT_ASCII);
    const message = Buffer.concat([Buffer.from(head), ...(isAscii ? [] : [BYTE_ORDER_MARK]), content]);
    return Buffer.concat([Buffer.from(`${message.length} `), message]);
  }

  #send(bytes: Buffer, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const { socket, accepted } = this.#connect();
      const onAbort = () => socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
      let isEnding = false;
      let isConfirmed = false;
      socket.on("error", reject);
      socket.on("end", () => {
        isConfirmed = isEnding && socket.writableFinished;
      });
      socket.on("close", () => {
        signal.removeEventListener("abort", onAbort);
        if (isConfirmed) {
          resolve();
        } else {
          reject(new Error("the other side ended first"));
        }
      });
      // Nothing is expected, and "end" comes only after what there is was read.
      socket.resume();
      void accepted.then((took) => {
        // What to connect took is a round trip at least.
        const wait = Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, 2 * took));
        const end = (): void => {
          isEnding = true;
          socket.end();
        };
        socket.write(bytes, () => setTimeout(end, wait));
      });
    });
  }

  #connect(): Connection {
    const { host, port, isTls, tls } = this.#options;
    const start = performance.now();
    if (!isTls) {
      const socket = connectPlain({ host, port });
      const accepted = new Promise<number>((resolve) => {
        socket.once("connect", () => resolve(performance.now() - start));
      });
      return { socket, accepted };
    }
    const context = tls === undefined ? {} : { secureContext: tls() };
    const socket = connectTls({ host, port, servername: isIP(host) === 0 ? host : "", ...context });
    const accepted = new Promise<number>((resolve) => {
      socket.once("secureConnect", () => {
        const took = performance.now() - start;
        afterTicket(socket, Math.max(TICKET_MS, 2 * took), () => resolve(took));
      });
    });
    return { socket, accepted };
  }
}

interface Connection {
  readonly socket: Socket;
  /** When the other side has accepted it: the milliseconds that connecting took. Pending for ever if it does not. */
  readonly accepted: Promise<number>;
}

/** Calls back with the first session ticket, at the latest after so long. @param socket After its handshake. */
function afterTicket(socket: ReturnType<typeof connectTls>, ms: number, callback: () => void): void {
  if (socket.getProtocol() !== "TLSv1.3") {
    // The last message of the handshake was the other side's, when it had seen all of this side's.
    callback();
    return;
  }
  const timer = setTimeout(callback, ms);
  const end = (): void => clearTimeout(timer);
  socket.once("close", end);
  socket.once("session", () => {
    end();
    callback();
  });
}

/** Printable ASCII of a bounded length, or the nil value. */
function printable(text: string, maxLength: number): string {
  return text.replaceAll(/[^\x21-\x7e]/g, "").slice(0, maxLength) || "-";
}
