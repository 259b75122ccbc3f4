import { readFile } from "node:fs/promises";

/** Linux gives CPU time to programs in hundredths of a second, whatever the kernel's own clock. */
const MICROSECONDS_PER_TICK = 10_000;
const BYTES_PER_KIB = 1024;

/** Resident memory of a process in bytes. */
export interface Memory {
  readonly now: number;
  /** The most that it ever was. */
  readonly peak: number;
}

/** @throws Error where there is no /proc. */
export async function memoryOf(pid: number): Promise<Memory> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const read = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * BYTES_PER_KIB;
  return { now: read("VmRSS"), peak: read("VmHWM") };
}

/** Microseconds of CPU time, user and system, that a process with all its threads has used. */
export async function cpuTimeOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // After the command's name, which may have spaces in it, field 14 of proc(5) is the twelfth.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK;
}
