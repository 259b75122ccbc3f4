import { once } from "node:events";
import { connect, constants } from "node:http2";
import type { Connection } from "./connection.ts";
import type { PreparedRequest } from "./job.ts";

/** A gRPC message's frame: one byte that says "not compressed", then the length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const FRAME_LENGTH = 5;

/** Unary gRPC calls over an HTTP/2 session, one stream a call, with a message that was framed once. */
export async function openGrpc(host: string, port: number, prepared: PreparedRequest): Promise<Connection> {
  const message = Buffer.from(prepared.bytes, "base64");
  const expected = Buffer.from(prepared.expected, "base64");
  const frame = Buffer.alloc(FRAME_LENGTH + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, FRAME_LENGTH);
  const headers = {
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: prepared.path,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: `Bearer ${prepared.token}`,
  };
  const session = connect(`http://${host}:${port}`);
  let broken: string | undefined;
  session.on("error", (error) => {
    broken = error.message;
  });
  await once(session, "connect");
  return {
    exchange(done) {
      if (broken !== undefined) {
        done(broken);
        return;
      }
      const stream = session.request(headers);
      let found = false;
      let status: unknown;
      let details: unknown;
      stream.on("data", (chunk: Buffer) => {
        found ||= chunk.indexOf(expected, FRAME_LENGTH) !== -1;
      });
      stream.on("response", (answer) => {
        // Only an answer without a message has its status here ("Trailers-Only").
        status = answer["grpc-status"];
        details = answer["grpc-message"];
      });
      stream.on("trailers", (trailers) => {
        status = trailers["grpc-status"];
        details = trailers["grpc-message"];
      });
      stream.on("error", (error) => {
        details = error.message;
      });
      stream.on("close", () => done(status === "0" && found ? undefined : `grpc-status ${status}: ${details}`));
      stream.end(frame);
    },
    close() {
      session.destroy();
    },
  };
}
