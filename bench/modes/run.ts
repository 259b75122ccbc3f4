import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { BenchOptions } from "../options.ts";

/** One run of the benchmark, as a mode gets it. */
export interface Run {
  readonly options: BenchOptions;
  /** On the disk that the repository is on, empty, removed at the end. */
  readonly folder: string;
  /** Says how far it is, beside the result. */
  say(line: string): void;
  /** Takes note of what must be stopped at the end, whatever happens. @returns the same. */
  keep<T extends { stop(): unknown }>(child: T): T;
}

/** The runtime's flags for a server that is to be profiled, if any is. */
export function profiling({ profileFolder }: BenchOptions): readonly string[] {
  return profileFolder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(profileFolder)}`];
}

/** The line above the tables: what they were measured on, and how. */
export function conditions({ mode, cellMs, rounds }: BenchOptions): string {
  const length = mode === "file" || mode === "audit" ? "" : ` ${cellMs / 1000} s a measurement,`;
  return `Node ${process.version}, ${availableParallelism()} cores,${length} medians of ${rounds} rounds.`;
}
