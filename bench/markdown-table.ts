import type { Times } from "./times.ts";

/** A table's lines as Markdown, with an empty line after it; none if it has no rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) {
    return [];
  }
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line), ""];
}

/** A part as a percentage. */
export function percent(part: number): string {
  return `${(part * 100).toFixed(0)} %`;
}

/** Bytes in MiB. */
export function mib(bytes: number): string {
  return (bytes / (1024 * 1024)).toFixed(0);
}

/** Times, as lines of Markdown. @param what Above their names. */
export function timesTable(what: string, times: readonly Times[]): string[] {
  return table(
    [what, "median ms", "max ms", "CPU ms"],
    times.map(({ name, median, max, cpu }) => [name, median.toFixed(1), max.toFixed(1), cpu.toFixed(1)]),
  );
}
