import { join } from "node:path";
import { measureLog } from "../audit/measure-log.ts";
import { writeLog } from "../audit/write-log.ts";
import { logMarkdown } from "../report.ts";
import { conditions, type Run } from "./run.ts";

/** `--audit`: a log that is verified offline, and proofs of its entries. @returns Markdown. */
export async function benchAudit({ options, folder, say }: Run): Promise<string> {
  say(`writing a log of ${options.auditEntries} entries`);
  const log = await writeLog(join(folder, "log"), options.auditEntries);
  say("verifying it");
  return logMarkdown(await measureLog(log, options.rounds), conditions(options));
}
