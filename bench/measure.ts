import type { LoadProcess } from "./load/load-process.ts";
import { type Figures, measureWorkload } from "./measure-workload.ts";
import { median } from "./statistics.ts";
import type { Target, Workload } from "./targets/target.ts";

/** One row of the table: medians over the rounds. */
export interface Cell extends Figures {
  readonly target: string;
  readonly operation: string;
  readonly transport: Workload["transport"];
  readonly connections: number;
  /** Requests per second as part of those that the bare echo answered just before. */
  readonly ofEcho: number;
}

/** How long and how often. */
export interface Schedule {
  readonly cellMs: number;
  readonly rounds: number;
  readonly warmUpMs: number;
}

/** Connections of a measurement. */
const CONNECTIONS: readonly number[] = [1, 16];
/** Many, since the warm-up wants many requests. */
const WARM_UP_CONNECTIONS = 64;

type Sample = Omit<Cell, "target" | "operation" | "transport" | "connections">;
interface Row {
  readonly target: Target;
  readonly workload: Workload;
  readonly connections: number;
  readonly samples: Sample[];
}

/**
 * Measures all workloads of all targets. In each round an operation's workloads come right after a measurement of the
 * echo server, which their ratio refers to: what else the machine does at that time then slows both alike.
 * @throws Error for any answer that is not the expected success.
 */
export async function measure(
  load: LoadProcess,
  echo: Target,
  targets: readonly Target[],
  schedule: Schedule,
  report: (line: string) => void,
): Promise<readonly Cell[]> {
  await warmUp(load, [echo, ...targets], schedule.warmUpMs, report);
  const [echoWorkload] = echo.workloads as [Workload];
  const echoRows = CONNECTIONS.map((connections) => row(echo, echoWorkload, connections));
  const rows = CONNECTIONS.flatMap((connections) =>
    targets.flatMap((target) => target.workloads.map((workload) => row(target, workload, connections))),
  );
  for (let round = 1; round <= schedule.rounds; round++) {
    report(`round ${round} of ${schedule.rounds}`);
    for (const echoRow of echoRows) {
      const beside = rows.filter(({ connections }) => connections === echoRow.connections);
      for (const operation of new Set(beside.map(({ workload }) => workload.operation))) {
        const yardstick = await sample(load, echoRow, schedule.cellMs, undefined);
        for (const cell of beside.filter(({ workload }) => workload.operation === operation)) {
          await sample(load, cell, schedule.cellMs, yardstick.requestsPerSecond);
        }
      }
    }
  }
  return [...echoRows, ...rows].map(cellOf);
}

function row(target: Target, workload: Workload, connections: number): Row {
  return { target, workload, connections, samples: [] };
}

async function warmUp(
  load: LoadProcess,
  targets: readonly Target[],
  durationMs: number,
  report: (line: string) => void,
): Promise<void> {
  for (const target of targets) {
    report(`warming up ${target.name}`);
    for (const workload of target.workloads) {
      await sample(load, row(target, workload, WARM_UP_CONNECTIONS), durationMs, undefined);
    }
  }
}

async function sample(load: LoadProcess, row: Row, durationMs: number, echo: number | undefined): Promise<Sample> {
  const figures = await measureWorkload(load, row.target, row.workload, row.connections, durationMs);
  const measured = { ...figures, ofEcho: echo === undefined ? 1 : figures.requestsPerSecond / echo };
  row.samples.push(measured);
  return measured;
}

function cellOf({ target, workload, connections, samples }: Row): Cell {
  const middle = (figure: keyof Sample): number => median(samples.map((one) => one[figure]));
  return {
    target: target.name,
    operation: workload.operation,
    transport: workload.transport,
    connections,
    requestsPerSecond: middle("requestsPerSecond"),
    p99: middle("p99"),
    ofEcho: middle("ofEcho"),
    cpuPerRequest: middle("cpuPerRequest"),
  };
}
