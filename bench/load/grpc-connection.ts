import type { Connection } from "./connection.ts";
import { FRAME_LENGTH, openSession } from "./grpc-session.ts";
import type { PreparedRequest } from "./job.ts";

/** Unary gRPC calls over an HTTP/2 session, one stream a call, with a message that was framed once. */
export async function openGrpc(host: string, port: number, prepared: PreparedRequest): Promise<Connection> {
  const { session, headers, frame, expected, broken } = await openSession(host, port, prepared);
  return {
    exchange(done) {
      const problem = broken();
      if (problem !== undefined) {
        done(problem);
        return;
      }
      const stream = session.request(headers);
      const chunks: Buffer[] = [];
      let status: unknown;
      let details: unknown;
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
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
      stream.on("close", () => {
        const good = status === "0" && Buffer.concat(chunks).includes(expected, FRAME_LENGTH);
        done(good ? undefined : `grpc-status ${status}: ${details}`);
      });
      stream.end(frame);
    },
    close() {
      session.destroy();
    },
  };
}
