import type { Connection } from "./connection.ts";
import { FRAME_LENGTH, openSession } from "./grpc-session.ts";
import type { PreparedRequest } from "./job.ts";

/**
 * One gRPC stream in both directions, whose messages are sent one after the other, each when the answer to the one before
 * is there. Any end of the stream is a problem, since the server ends none that it has not refused.
 */
export async function openGrpcStream(host: string, port: number, prepared: PreparedRequest): Promise<Connection> {
  const { session, headers, frame, expected, broken } = await openSession(host, port, prepared);
  const stream = session.request(headers);
  let chunks: Buffer[] = [];
  let received = 0;
  let end = Number.POSITIVE_INFINITY;
  let ended: string | undefined;
  let pending: ((problem: string | undefined) => void) | undefined;

  function settle(problem: string | undefined): void {
    const done = pending;
    pending = undefined;
    chunks = [];
    received = 0;
    end = Number.POSITIVE_INFINITY;
    done?.(problem);
  }

  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    received += chunk.length;
    if (end === Number.POSITIVE_INFINITY && received >= FRAME_LENGTH) {
      end = FRAME_LENGTH + Buffer.concat(chunks).readUInt32BE(1);
    }
    if (received >= end) {
      const good = Buffer.concat(chunks).includes(expected, FRAME_LENGTH);
      settle(good ? undefined : "an answer without what was expected");
    }
  });
  for (const event of ["response", "trailers"] as const) {
    stream.on(event, (fields: Readonly<Record<string, unknown>>) => {
      if (fields["grpc-status"] !== undefined) {
        ended = `grpc-status ${fields["grpc-status"]}: ${fields["grpc-message"]}`;
      }
    });
  }
  stream.on("error", (error) => {
    ended = error.message;
  });
  // The server has ended its side. Without this ours would keep the stream from closing.
  stream.on("end", () => stream.end());
  stream.on("close", () => {
    ended ??= "the stream was closed";
    settle(ended);
  });
  return {
    exchange(done) {
      const problem = broken() ?? ended;
      if (problem !== undefined) {
        done(problem);
        return;
      }
      pending = done;
      stream.write(frame);
    },
    close() {
      pending = undefined;
      session.destroy();
    },
  };
}
