import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { startLoadProcess } from "../load/load-process.ts";
import { measure } from "../measure.ts";
import { memoryOf } from "../process-figures.ts";
import { markdown, type ServerFigures } from "../report.ts";
import { bunkmsTarget } from "../targets/bunkms.ts";
import { startBunkmsGo } from "../targets/bunkms-go.ts";
import { type BunkmsOptions, dataFolder, startBunkms } from "../targets/bunkms-process.ts";
import { startRepeatedly } from "../targets/bunkms-starts.ts";
import { startEcho } from "../targets/echo.ts";
import { startOpenbao } from "../targets/openbao.ts";
import type { Target } from "../targets/target.ts";
import { conditions, profiling, type Run } from "./run.ts";

/** Without a mode's flag: single requests beside the echo, starts and memory. @returns Markdown. */
export async function benchRequests({ options, folder, say, keep }: Run): Promise<string> {
  say("starting");
  const quiet: BunkmsOptions = { folder: join(folder, "warn"), logLevel: "warn", nodeFlags: profiling(options) };
  const { times, server: main } = await startRepeatedly(quiet, options.starts);
  keep(main);
  const chatty = (await startRepeatedly({ folder: join(folder, "info"), logLevel: "info", nodeFlags: [] }, 1)).server;
  keep(chatty);
  const echo = keep(await startEcho());
  const started: Target[] = [
    await bunkmsTarget("BunKMS", main),
    only(await bunkmsTarget("BunKMS, log level info", chatty), "encrypt"),
  ];
  if (options.openbao !== undefined) {
    started.push(keep(await startOpenbao(resolve(options.openbao), folder)));
  }
  if (options.bunkmsGo) {
    started.push(keep(await startBunkmsGo(folder)));
  }
  const targets = started.map((target) => only(target, options.only)).filter(({ workloads }) => workloads.length > 0);
  const load = keep(startLoadProcess());

  const before = await Promise.all(targets.map(({ pid }) => memoryOf(pid)));
  const cells = await measure(load, echo, targets, options, say);
  const servers: ServerFigures[] = [];
  for (const [i, { name, pid }] of targets.entries()) {
    servers.push({ name, memoryBefore: before[i] ?? { now: 0, peak: 0 }, memoryAfter: await memoryOf(pid) });
  }
  await main.stop();
  const databaseBytes = (await stat(join(dataFolder(quiet.folder), "bunkms.db"))).size;
  const again = await startBunkms({ ...quiet, nodeFlags: [] });
  await again.stop();
  return markdown(cells, { ...times, afterLoad: again.readyMs, databaseBytes }, servers, conditions(options));
}

/** A target with those of its workloads whose name has this text in it. */
function only(target: Target, text: string): Target {
  const workloads = target.workloads.filter(({ operation, transport }) => `${operation} ${transport}`.includes(text));
  return { ...target, workloads };
}
