import { once } from "node:events";
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import type { PreparedRequest } from "./job.ts";

/** A gRPC message's frame: one byte that says "not compressed", then the length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export const FRAME_LENGTH = 5;

/** An HTTP/2 session for one gRPC method and one message. */
export interface GrpcSession {
  readonly session: ClientHttp2Session;
  readonly headers: OutgoingHttpHeaders;
  /** The message in its frame. */
  readonly frame: Buffer;
  /** Bytes that a success has in its message. */
  readonly expected: Buffer;
  /** What broke the session, if anything did. */
  broken(): string | undefined;
}

/** @throws Error when nobody listens there. */
export async function openSession(host: string, port: number, prepared: PreparedRequest): Promise<GrpcSession> {
  const message = Buffer.from(prepared.bytes, "base64");
  const frame = Buffer.alloc(FRAME_LENGTH + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, FRAME_LENGTH);
  const session = connect(`http://${host}:${port}`);
  let broken: string | undefined;
  session.on("error", (error) => {
    broken = error.message;
  });
  await once(session, "connect");
  return {
    session,
    headers: {
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: prepared.path,
      "content-type": "application/grpc",
      te: "trailers",
      authorization: `Bearer ${prepared.token}`,
    },
    frame,
    expected: Buffer.from(prepared.expected, "base64"),
    broken: () => broken,
  };
}
