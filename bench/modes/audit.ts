import { join } from "node:path";
import { measureCosts } from "../audit/measure-cost.ts";
import { measureLog } from "../audit/measure-log.ts";
import { measureSearch } from "../audit/measure-search.ts";
import { writeLog } from "../audit/write-log.ts";
import { startLoadProcess } from "../load/load-process.ts";
import { logMarkdown } from "../report.ts";
import { conditions, type Run } from "./run.ts";

/** `--audit`: what recording costs, a log that is searched, one that is verified offline, and proofs of its entries. @returns Markdown. */
export async function benchAudit(run: Run): Promise<string> {
  const { options, folder, say, keep } = run;
  say("measuring calls that are recorded, and calls that are not");
  const costs = await measureCosts(run, keep(startLoadProcess()));
  const searches = await measureSearch(run);
  say(`writing a log of ${options.auditEntries} entries`);
  const log = await writeLog(join(folder, "log"), options.auditEntries);
  say("verifying it");
  return logMarkdown(await measureLog(log, options.rounds), costs, searches, conditions(options));
}
