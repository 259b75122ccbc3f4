import { cpuTimeOf } from "./process-figures.ts";
import { median } from "./statistics.ts";

/** Milliseconds of something done over and over: of the clock, and of CPU time that the server spent. */
export interface Times {
  readonly name: string;
  readonly median: number;
  readonly max: number;
  /** The mean of all of them. */
  readonly cpu: number;
}

/** @param cpu Milliseconds of CPU time, all together. */
export function timesOf(name: string, times: readonly number[], cpu: number): Times {
  return { name, median: median(times), max: Math.max(...times), cpu: cpu / times.length };
}

/** Asks a server the same over and over. @param ask Throws when the answer is wrong. */
export async function timeRequests(
  name: string,
  pid: number,
  requests: number,
  ask: () => Promise<void>,
): Promise<Times> {
  const times: number[] = [];
  const cpuBefore = await cpuTimeOf(pid);
  for (let i = 0; i < requests; i++) {
    const began = performance.now();
    await ask();
    times.push(performance.now() - began);
  }
  return timesOf(name, times, ((await cpuTimeOf(pid)) - cpuBefore) / 1000);
}
