import type { AuditCost } from "./audit/measure-cost.ts";
import type { LogFigures } from "./audit/measure-log.ts";
import type { FileFigures } from "./files.ts";
import { mib, percent, table, timesTable } from "./markdown-table.ts";
import type { Cell } from "./measure.ts";
import type { Memory } from "./process-figures.ts";
import { median } from "./statistics.ts";
import type { StartTimes } from "./targets/bunkms-starts.ts";
import type { Times } from "./times.ts";

/** What was measured of one server beside its requests. */
export interface ServerFigures {
  readonly name: string;
  readonly memoryBefore: Memory;
  readonly memoryAfter: Memory;
}

/** The start times, and what a start takes once the load has left its records. */
export interface StartFigures extends StartTimes {
  readonly afterLoad: number;
  readonly databaseBytes: number;
}

/** All that was measured, as Markdown. */
export function markdown(
  cells: readonly Cell[],
  starts: StartFigures,
  servers: readonly ServerFigures[],
  machine: string,
): string {
  return [
    machine,
    "",
    ...table(
      ["Server", "Operation", "Transport", "Connections", "Requests/s", "p99 ms", "Of echo", "CPU µs/request"],
      cells.map((cell) => [
        cell.target,
        cell.operation,
        cell.transport,
        String(cell.connections),
        cell.requestsPerSecond.toFixed(0),
        cell.p99.toFixed(2),
        percent(cell.ofEcho),
        cell.cpuPerRequest.toFixed(0),
      ]),
    ),
    ...table(
      ["From exec to ready", "ms"],
      [
        ["first start ever: nothing compiled, vault made", starts.first.toFixed(0)],
        [`later starts, median of ${starts.later.length}`, median(starts.later).toFixed(0)],
        [
          "later starts, fastest and slowest",
          [Math.min(...starts.later), Math.max(...starts.later)].map(ms).join(" to "),
        ],
        [`start after the load, ${mib(starts.databaseBytes)} MiB of database`, ms(starts.afterLoad)],
      ],
    ),
    ...table(
      ["Resident memory, MiB", "ready", "after the load", "peak"],
      servers.map(({ name, memoryBefore, memoryAfter }) => [
        name,
        mib(memoryBefore.now),
        mib(memoryAfter.now),
        mib(memoryAfter.peak),
      ]),
    ),
  ].join("\n");
}

/** What was measured of files, as Markdown. */
export function filesMarkdown({ cells, bytes, ageVersion }: FileFigures, machine: string): string {
  return [
    `${machine} A file of ${(bytes / 1e6).toFixed(0)} MB.`,
    "",
    ...table(
      ["Operation", "BunKMS s", `age ${ageVersion} s`, "Of age"],
      cells.map(({ operation, bunkms, age, ratio }) => [operation, bunkms.toFixed(2), age.toFixed(2), percent(ratio)]),
    ),
  ].join("\n");
}

/** What auditing a log costs. */
export function logMarkdown(
  figures: LogFigures,
  costs: readonly AuditCost[],
  searches: readonly Times[],
  machine: string,
): string {
  const { log, wallSeconds, cpuSeconds, peakBytes, proofMs, slowProofMs } = figures;
  return [
    `${machine} A log of ${log.size} entries, ${(log.bytes / 1e6).toFixed(0)} MB of them.`,
    "",
    ...table(
      ["Audit log", ""],
      [
        ["verified offline by the command line on one core, s", wallSeconds.toFixed(2)],
        ["CPU time of it, s", cpuSeconds.toFixed(2)],
        ["for each entry, CPU µs", ((cpuSeconds / log.size) * 1e6).toFixed(2)],
        ["peak of its resident memory, MiB", mib(peakBytes)],
        ["inclusion proof from tiles in files, ms", proofMs.toFixed(2)],
        ["the slowest of a hundred, ms", slowProofMs.toFixed(2)],
      ],
    ),
    "",
    ...table(
      ["Encrypt", ...costs.map(({ transport, connections }) => `${transport}, ${connections} connections`)],
      [
        ["recorded, requests/s", ...costs.map(({ recorded }) => recorded.requestsPerSecond.toFixed(0))],
        ["not recorded, requests/s", ...costs.map(({ unrecorded }) => unrecorded.requestsPerSecond.toFixed(0))],
        ["recorded of not recorded", ...costs.map((cost) => `${rateShare(cost).toFixed(0)} %`)],
        ["CPU time of one that is recorded, µs", ...costs.map(({ recorded }) => recorded.cpuPerRequest.toFixed(1))],
        ["added to it by recording, µs", ...costs.map((cost) => addedTime(cost).toFixed(1))],
      ],
    ),
    "",
    ...timesTable("Search over REST", searches),
  ].join("\n");
}

function addedTime({ recorded, unrecorded }: AuditCost): number {
  return recorded.cpuPerRequest - unrecorded.cpuPerRequest;
}

function rateShare({ recorded, unrecorded }: AuditCost): number {
  return (100 * recorded.requestsPerSecond) / unrecorded.requestsPerSecond;
}

function ms(value: number): string {
  return value.toFixed(0);
}
