import type { Connection } from "./connection.ts";
import { openGrpc } from "./grpc-connection.ts";
import { openGrpcStream } from "./grpc-stream-connection.ts";
import { openHttp1 } from "./http1-connection.ts";
import type { Job, JobResult } from "./job.ts";

const OPEN = { http1: openHttp1, grpc: openGrpc, "grpc-stream": openGrpcStream } as const;

/**
 * Keeps each connection busy with one request at a time, and counts what is answered after the warm-up.
 * A connection stops at its first wrong answer: the job has failed then.
 */
export async function runJob(job: Job): Promise<JobResult> {
  const [host = "", port] = job.address.split(":");
  const opening = Array.from({ length: job.connections }, () => OPEN[job.protocol](host, Number(port), job.request));
  const connections = await Promise.all(opening);
  const begin = performance.now() + job.warmUpMs;
  const end = begin + job.durationMs;
  const latencies: number[] = [];
  const problems: string[] = [];
  let requests = 0;
  await Promise.all(
    connections.map((connection) =>
      keepBusy(connection, end, (sent, now, problem) => {
        requests += 1;
        if (problem !== undefined) {
          problems.push(problem);
        } else if (now >= begin && now <= end) {
          latencies.push(now - sent);
        }
      }),
    ),
  );
  for (const connection of connections) {
    connection.close();
  }
  return {
    requestsPerSecond: latencies.length / (job.durationMs / 1000),
    requests,
    p99: percentile(latencies, 0.99),
    errors: problems.length,
    firstError: problems[0] ?? "",
  };
}

function keepBusy(
  connection: Connection,
  end: number,
  observe: (sent: number, now: number, problem: string | undefined) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const next = (): void => {
      const sent = performance.now();
      connection.exchange((problem) => {
        const now = performance.now();
        observe(sent, now, problem);
        if (now < end && problem === undefined) {
          next();
        } else {
          resolve();
        }
      });
    };
    next();
  });
}

function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
