import { once } from "node:events";
import { connect } from "node:net";
import type { Connection } from "./connection.ts";
import type { PreparedRequest } from "./job.ts";

const HEADERS_END = Buffer.from("\r\n\r\n");
const SUCCESS = Buffer.from("HTTP/1.1 2");
const LENGTH = /\r\ncontent-length: *(\d+)/i;

/**
 * HTTP/1.1 over a bare socket. It reads just enough of an answer to know where it ends and whether it is a success, since
 * on a small machine a whole client costs more than the server that it measures. Chunked answers are not read.
 */
export async function openHttp1(host: string, port: number, prepared: PreparedRequest): Promise<Connection> {
  const request = Buffer.from(prepared.bytes, "base64");
  const expected = Buffer.from(prepared.expected, "base64");
  const socket = connect({ host, port, noDelay: true });
  await once(socket, "connect");
  let answer: Buffer = Buffer.alloc(0);
  let bodyAt = 0;
  let end = 0;
  let pending: ((problem: string | undefined) => void) | undefined;

  function settle(problem: string | undefined): void {
    const done = pending;
    pending = undefined;
    answer = Buffer.alloc(0);
    end = 0;
    done?.(problem);
  }

  socket.on("data", (chunk: Buffer) => {
    answer = answer.length === 0 ? chunk : Buffer.concat([answer, chunk]);
    if (end === 0) {
      const headersEnd = answer.indexOf(HEADERS_END);
      if (headersEnd === -1) {
        return;
      }
      const length = LENGTH.exec(answer.toString("latin1", 0, headersEnd))?.[1];
      if (length === undefined) {
        settle("an answer without content-length");
        return;
      }
      bodyAt = headersEnd + HEADERS_END.length;
      end = bodyAt + Number(length);
    }
    if (answer.length >= end) {
      const good = answer.indexOf(SUCCESS) === 0 && answer.indexOf(expected, bodyAt) !== -1;
      settle(good ? undefined : answer.toString("latin1", 0, 500));
    }
  });
  socket.on("error", (error) => settle(error.message));
  socket.on("close", () => settle("the connection was closed"));
  return {
    exchange(done) {
      pending = done;
      socket.write(request);
    },
    close() {
      pending = undefined;
      socket.destroy();
    },
  };
}
