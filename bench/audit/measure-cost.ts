import { join } from "node:path";
import type { LoadProcess } from "../load/load-process.ts";
import { type Figures, measureWorkload } from "../measure-workload.ts";
import type { Run } from "../modes/run.ts";
import { median } from "../statistics.ts";
import { bunkmsTarget } from "../targets/bunkms.ts";
import { startBunkms } from "../targets/bunkms-process.ts";
import type { Target, Workload } from "../targets/target.ts";

/** How a server is loaded. */
interface Load {
  readonly transport: "REST" | "gRPC";
  readonly connections: number;
}

/** What recording costs an encrypt. */
export interface AuditCost extends Load {
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

/** The many connections leave the server no moment without a request while it waits for the disk. */
const LOADS: readonly Load[] = [
  { transport: "REST", connections: 32 },
  { transport: "REST", connections: 128 },
  { transport: "gRPC", connections: 32 },
];
const UNRECORDED = join(import.meta.dirname, "unrecorded.ts");

/** Loads a server as it is and one that does not record, in turns, round by round. */
export async function measureCosts(run: Run, load: LoadProcess): Promise<readonly AuditCost[]> {
  const start = async (name: string, nodeFlags: readonly string[]): Promise<Target> => {
    const folder = join(run.folder, name);
    return bunkmsTarget(name, run.keep(await startBunkms({ folder, logLevel: "warn", nodeFlags })));
  };
  const servers = [await start("recorded", []), await start("unrecorded", ["--import", UNRECORDED])] as const;
  const costs: AuditCost[] = [];
  for (const one of LOADS) {
    costs.push(await measureCost(run, load, servers, one));
  }
  return costs;
}

async function measureCost(
  { options }: Run,
  loader: LoadProcess,
  servers: readonly [Target, Target],
  load: Load,
): Promise<AuditCost> {
  const encrypts = servers.map((target) => {
    const isWanted = (one: Workload): boolean => one.operation === "encrypt" && one.transport === load.transport;
    const workload = target.workloads.find(isWanted) as Workload;
    return (ms: number): Promise<Figures> => measureWorkload(loader, target, workload, load.connections, ms);
  });
  const rounds: [Figures[], Figures[]] = [[], []];
  for (const encrypt of encrypts) {
    await encrypt(options.warmUpMs);
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const [i, encrypt] of encrypts.entries()) {
      rounds[i]?.push(await encrypt(options.cellMs));
    }
  }
  return { ...load, recorded: medians(rounds[0]), unrecorded: medians(rounds[1]) };
}

function medians(rounds: readonly Figures[]): Rates {
  return {
    requestsPerSecond: median(rounds.map(({ requestsPerSecond }) => requestsPerSecond)),
    cpuPerRequest: median(rounds.map(({ cpuPerRequest }) => cpuPerRequest)),
  };
}
