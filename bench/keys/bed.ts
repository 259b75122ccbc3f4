import type { LoadProcess } from "../load/load-process.ts";
import { type Figures, measureWorkload } from "../measure-workload.ts";
import type { BenchOptions } from "../options.ts";
import type { BunkmsProcess } from "../targets/bunkms-process.ts";
import type { BunkmsWorkloads } from "../targets/bunkms-workloads.ts";
import type { Workload } from "../targets/target.ts";

/** What the parts of the benchmark of keys share: one server, and the process that loads it. */
export interface Bed {
  readonly server: BunkmsProcess;
  readonly workloads: BunkmsWorkloads;
  readonly load: LoadProcess;
  readonly options: BenchOptions;
  say(line: string): void;
}

/** Whether a row of this name was asked for. */
export function isWanted({ only }: Pick<BenchOptions, "only">, name: string): boolean {
  return name.includes(only);
}

/** Measures a workload of the bed's server. @throws Error for any answer that is not the expected success. */
export async function measureOn(bed: Bed, workload: Workload, connections: number): Promise<Figures> {
  return measureWorkload(bed.load, { name: "BunKMS", pid: bed.server.pid }, workload, connections, bed.options.cellMs);
}

/** Runs workloads until their code is compiled. */
export async function warmUp(bed: Bed, workloads: readonly Workload[], connections: number): Promise<void> {
  const { load, server, options } = bed;
  for (const workload of workloads) {
    await measureWorkload(load, { name: "BunKMS", pid: server.pid }, workload, connections, options.warmUpMs);
  }
}
