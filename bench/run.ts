/** `npm run bench`: see README.md in this folder. */
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { type LoadProcess, startLoadProcess } from "./load/load-process.ts";
import { measure } from "./measure.ts";
import { type BenchOptions, readOptions, USAGE } from "./options.ts";
import { memoryOf } from "./process-figures.ts";
import { markdown, type ServerFigures } from "./report.ts";
import { bunkmsTarget } from "./targets/bunkms.ts";
import { type BunkmsOptions, startBunkms } from "./targets/bunkms-process.ts";
import { startRepeatedly } from "./targets/bunkms-starts.ts";
import { startEcho } from "./targets/echo.ts";
import { startOpenbao } from "./targets/openbao.ts";
import type { Target } from "./targets/target.ts";

/** On the disk that the repository is on: a folder for temporary files may be memory, where an fsync costs nothing. */
const CACHE = join(import.meta.dirname, "..", ".cache");

const options = readOptions(process.argv.slice(2));
if (options === undefined) {
  process.stdout.write(USAGE);
} else {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "bench-"));
  const running: { stop(): unknown }[] = [];
  try {
    process.stdout.write(await bench(options, folder, running));
  } finally {
    for (const child of running.reverse()) {
      await child.stop();
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param running Gets all that must be stopped, whatever happens. */
async function bench(options: BenchOptions, folder: string, running: { stop(): unknown }[]): Promise<string> {
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  say("starting");
  const quiet: BunkmsOptions = { folder: join(folder, "warn"), logLevel: "warn", nodeFlags: profiling(options) };
  const { times, server: main } = await startRepeatedly(quiet, options.starts);
  running.push(main);
  const chatty = (await startRepeatedly({ folder: join(folder, "info"), logLevel: "info", nodeFlags: [] }, 1)).server;
  running.push(chatty);
  const echo = await startEcho();
  running.push(echo);
  const started: Target[] = [
    await bunkmsTarget("BunKMS", main),
    only(await bunkmsTarget("BunKMS, log level info", chatty), "encrypt"),
  ];
  if (options.openbao !== undefined) {
    const openbao = await startOpenbao(resolve(options.openbao), folder);
    running.push(openbao);
    started.push(openbao);
  }
  const targets = started.map((target) => only(target, options.only)).filter(({ workloads }) => workloads.length > 0);
  const load: LoadProcess = startLoadProcess();
  running.push(load);

  const before = await Promise.all(targets.map(({ pid }) => memoryOf(pid)));
  const cells = await measure(load, echo, targets, options, say);
  const servers: ServerFigures[] = [];
  for (const [i, { name, pid }] of targets.entries()) {
    servers.push({ name, memoryBefore: before[i] ?? { now: 0, peak: 0 }, memoryAfter: await memoryOf(pid) });
  }
  await main.stop();
  const databaseBytes = (await stat(join(quiet.folder, "data", "bunkms.db"))).size;
  const again = await startBunkms({ ...quiet, nodeFlags: [] });
  await again.stop();
  return markdown(cells, { ...times, afterLoad: again.readyMs, databaseBytes }, servers, machine(options));
}

function profiling({ profileFolder }: BenchOptions): readonly string[] {
  return profileFolder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(profileFolder)}`];
}

/** A target with those of its workloads whose name has this text in it. */
function only(target: Target, text: string): Target {
  const workloads = target.workloads.filter(({ operation, transport }) => `${operation} ${transport}`.includes(text));
  return { ...target, workloads };
}

function machine({ cellMs, rounds }: BenchOptions): string {
  const seconds = `${cellMs / 1000} s`;
  return `Node ${process.version}, ${availableParallelism()} cores, ${seconds} a measurement, medians of ${rounds} rounds.`;
}
