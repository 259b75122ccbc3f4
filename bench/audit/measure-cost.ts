import { join } from "node:path";
import type { LoadProcess } from "../load/load-process.ts";
import { type Figures, measureWorkload } from "../measure-workload.ts";
import type { Run } from "../modes/run.ts";
import { median } from "../statistics.ts";
import { bunkmsTarget } from "../targets/bunkms.ts";
import { startBunkms } from "../targets/bunkms-process.ts";
import type { Target, Workload } from "../targets/target.ts";

/** What recording costs an operation. */
export interface AuditCost {
  readonly operation: string;
  readonly connections: number;
  /** Of the server as it is, and of one that does not record uses of keys. */
  readonly recorded: Rates;
  readonly unrecorded: Rates;
}

/** Medians of the rounds. */
interface Rates {
  readonly requestsPerSecond: number;
  /** Microseconds of CPU time for each request. */
  readonly cpuPerRequest: number;
}

const CONNECTIONS = 32;
const UNRECORDED = join(import.meta.dirname, "unrecorded.ts");

/** Loads a server as it is and one that does not record, in turns, round by round. */
export async function measureCost({ options, folder, keep }: Run, load: LoadProcess): Promise<AuditCost> {
  const start = async (name: string, nodeFlags: readonly string[]): Promise<[Target, Workload]> => {
    const server = keep(await startBunkms({ folder: join(folder, name), logLevel: "warn", nodeFlags }));
    const target = await bunkmsTarget(name, server);
    const encrypt = target.workloads.find((one) => one.operation === "encrypt" && one.transport === "REST") as Workload;
    return [target, encrypt];
  };
  const servers = [await start("recorded", []), await start("unrecorded", ["--import", UNRECORDED])] as const;
  const rounds: [Figures[], Figures[]] = [[], []];
  for (const [target, workload] of servers) {
    await measureWorkload(load, target, workload, CONNECTIONS, options.warmUpMs);
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const [i, [target, workload]] of servers.entries()) {
      rounds[i]?.push(await measureWorkload(load, target, workload, CONNECTIONS, options.cellMs));
    }
  }
  return {
    operation: "encrypt over REST",
    connections: CONNECTIONS,
    recorded: medians(rounds[0]),
    unrecorded: medians(rounds[1]),
  };
}

function medians(rounds: readonly Figures[]): Rates {
  return {
    requestsPerSecond: median(rounds.map(({ requestsPerSecond }) => requestsPerSecond)),
    cpuPerRequest: median(rounds.map(({ cpuPerRequest }) => cpuPerRequest)),
  };
}
