import type { LoadProcess } from "./load/load-process.ts";
import { cpuTimeOf } from "./process-figures.ts";
import type { Target, Workload } from "./targets/target.ts";

/** What one measurement of one workload gave. */
export interface Figures {
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p99: number;
  /** Microseconds of CPU time that the server, with all its threads, spent for each request. */
  readonly cpuPerRequest: number;
}

/** Before each measurement, so that no connection is new when counting begins. */
const CELL_WARM_UP_MS = 200;

/** @throws Error for any answer that is not the expected success. */
export async function measureWorkload(
  load: LoadProcess,
  { name, pid }: Pick<Target, "name" | "pid">,
  { operation, transport, protocol, address, request }: Workload,
  connections: number,
  durationMs: number,
): Promise<Figures> {
  const cpuBefore = await cpuTimeOf(pid);
  const result = await load.run({ protocol, address, connections, warmUpMs: CELL_WARM_UP_MS, durationMs, request });
  const cpu = (await cpuTimeOf(pid)) - cpuBefore;
  if (result.errors > 0) {
    throw new Error(`${name}, ${operation} over ${transport}: ${result.firstError}`);
  }
  return {
    requestsPerSecond: result.requestsPerSecond,
    p99: result.p99,
    cpuPerRequest: cpu / result.requests,
  };
}
