import { median } from "../statistics.ts";
import type { Workload } from "../targets/target.ts";
import { type BatchWorkload, batchWorkloads } from "./batch-workloads.ts";
import { type Bed, isWanted, measureOn, warmUp } from "./bed.ts";

/** One row of the table: medians over the rounds. */
export interface BatchCell {
  readonly operation: string;
  readonly transport: Workload["transport"];
  /** Items of a call, or of a message of a stream. */
  readonly items: number;
  readonly connections: number;
  readonly itemsPerSecond: number;
  /** Microseconds of CPU time that the server spent for each item. */
  readonly cpuPerItem: number;
  /** Items for each second of CPU time, in multiples of the single encrypts that were measured just before. */
  readonly ofSingle: number;
}

type Sample = Pick<BatchCell, "itemsPerSecond" | "cpuPerItem" | "ofSingle">;

const SINGLE_CONNECTIONS = 16;
/** Enough that the server never waits for the load process, which has a batch of each under way. */
const BATCH_CONNECTIONS = 4;

/** Measures batches, in each round those of a transport right after single encrypts over it. */
export async function measureBatches(bed: Bed): Promise<readonly BatchCell[]> {
  const { options, say } = bed;
  const groups = (await batchWorkloads(bed.workloads))
    .map(({ single, batches }) => ({ single, batches: batches.filter((batch) => isWanted(options, nameOf(batch))) }))
    .filter(({ batches }) => batches.length > 0);
  if (groups.length === 0) {
    return [];
  }
  const samples = new Map<Workload, Sample[]>();
  const note = (workload: Workload, sample: Sample): void => {
    samples.set(workload, [...(samples.get(workload) ?? []), sample]);
  };
  for (const { single, batches } of groups) {
    say(`warming up batches over ${single.transport}`);
    await warmUp(bed, [single], SINGLE_CONNECTIONS);
    await warmUp(bed, batches, BATCH_CONNECTIONS);
  }
  for (let round = 1; round <= options.rounds; round++) {
    say(`batches, round ${round} of ${options.rounds}`);
    for (const { single, batches } of groups) {
      const { requestsPerSecond, cpuPerRequest } = await measureOn(bed, single, SINGLE_CONNECTIONS);
      note(single, { itemsPerSecond: requestsPerSecond, cpuPerItem: cpuPerRequest, ofSingle: 1 });
      for (const batch of batches) {
        const figures = await measureOn(bed, batch, BATCH_CONNECTIONS);
        const cpuPerItem = figures.cpuPerRequest / batch.items;
        const itemsPerSecond = figures.requestsPerSecond * batch.items;
        note(batch, { itemsPerSecond, cpuPerItem, ofSingle: cpuPerRequest / cpuPerItem });
      }
    }
  }
  return groups.flatMap(({ single, batches }) => [
    cellOf(single, 1, SINGLE_CONNECTIONS, samples.get(single)),
    ...batches.map((batch) => cellOf(batch, batch.items, BATCH_CONNECTIONS, samples.get(batch))),
  ]);
}

function nameOf({ operation, transport, items }: BatchWorkload): string {
  return `batch ${operation} ${transport} ${items}`;
}

function cellOf(
  { operation, transport }: Workload,
  items: number,
  connections: number,
  samples: readonly Sample[] = [],
): BatchCell {
  return {
    operation,
    transport,
    items,
    connections,
    itemsPerSecond: median(samples.map((one) => one.itemsPerSecond)),
    cpuPerItem: median(samples.map((one) => one.cpuPerItem)),
    ofSingle: median(samples.map((one) => one.ofSingle)),
  };
}
