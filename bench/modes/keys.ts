import { join } from "node:path";
import { measureBatches } from "../keys/batches.ts";
import { type Bed, isWanted } from "../keys/bed.ts";
import { measureBeside } from "../keys/beside.ts";
import { measureManyKeys } from "../keys/many-keys.ts";
import { batchesMarkdown, besideMarkdown, manyKeysMarkdown, signingMarkdown } from "../keys/report.ts";
import { measureSigning } from "../keys/signing.ts";
import { startLoadProcess } from "../load/load-process.ts";
import { startBunkms } from "../targets/bunkms-process.ts";
import { bunkmsWorkloads } from "../targets/bunkms-workloads.ts";
import { conditions, profiling, type Run } from "./run.ts";

/** `--keys`: batches, signatures, slow work beside quick, and many keys. @returns Markdown. */
export async function benchKeys(run: Run): Promise<string> {
  const lines = [conditions(run.options), "", ...(await benchOneServer(run))];
  if (isWanted(run.options, "many keys")) {
    lines.push(...manyKeysMarkdown(await measureManyKeys(run)));
  }
  return lines.join("\n");
}

/** All that needs one server only, which ends before the next part begins. */
async function benchOneServer({ options, folder, say, keep }: Run): Promise<string[]> {
  say("starting");
  const server = keep(
    await startBunkms({ folder: join(folder, "warn"), logLevel: "warn", nodeFlags: profiling(options) }),
  );
  const load = keep(startLoadProcess());
  const bed: Bed = { server, workloads: bunkmsWorkloads(server), load, options, say };
  const parts = [
    batchesMarkdown(await measureBatches(bed)),
    signingMarkdown(await measureSigning(bed)),
    besideMarkdown(await measureBeside(bed)),
  ];
  await server.stop();
  load.stop();
  return parts.flat();
}
