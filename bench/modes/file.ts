import { join } from "node:path";
import { measureFiles } from "../files.ts";
import { filesMarkdown } from "../report.ts";
import { startBunkms } from "../targets/bunkms-process.ts";
import { conditions, type Run } from "./run.ts";

/** `--file`: the command line beside age. @returns Markdown. */
export async function benchFiles({ options, folder, say, keep }: Run): Promise<string> {
  say("starting");
  const server = keep(await startBunkms({ folder: join(folder, "warn"), logLevel: "warn", nodeFlags: [] }));
  const figures = await measureFiles(server, folder, { megabytes: options.fileMegabytes, rounds: options.rounds }, say);
  return filesMarkdown(figures, conditions(options));
}
