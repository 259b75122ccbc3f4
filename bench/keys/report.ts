import { mib, percent, table, timesTable } from "../markdown-table.ts";
import type { BatchCell } from "./batches.ts";
import type { BesideCell } from "./beside.ts";
import type { ManyKeysFigures } from "./many-keys.ts";
import { BATCHES, type SigningCell } from "./signing.ts";

/** Batches, as lines of Markdown. */
export function batchesMarkdown(cells: readonly BatchCell[]): string[] {
  return table(
    [
      "Operation",
      "Transport",
      "Items",
      "Connections",
      "Items/s",
      "CPU µs/item",
      "Items/s a core",
      "Of single encrypts",
    ],
    cells.map((cell) => [
      cell.operation,
      cell.transport,
      String(cell.items),
      String(cell.connections),
      cell.itemsPerSecond.toFixed(0),
      cell.cpuPerItem.toFixed(1),
      (1e6 / cell.cpuPerItem).toFixed(0),
      `${cell.ofSingle.toFixed(1)} ×`,
    ]),
  );
}

/** Signing, as lines of Markdown. */
export function signingMarkdown(cells: readonly SigningCell[]): string[] {
  return table(
    [
      "Algorithm",
      "Compared with",
      "Its signatures/s a core",
      "crypto.sign",
      "REST, signatures/s",
      "a core",
      "Of it",
      ...BATCHES.flatMap((items) => [`Batch of ${items}, signatures/s`, "a core", "Of it"]),
    ],
    cells.map(({ name, yardstick, yardstickPerCore, loopPerCore, single, batches }) => [
      name,
      yardstick,
      yardstickPerCore.toFixed(0),
      percent(loopPerCore / yardstickPerCore),
      ...[single, ...batches].flatMap(({ perSecond, perCore, ofYardstick }) => [
        // Of slow batches none may have ended in time.
        perSecond === 0 ? "–" : perSecond.toFixed(0),
        perCore.toFixed(0),
        percent(ofYardstick),
      ]),
    ]),
  );
}

/** Slow work beside quick, as lines of Markdown. */
export function besideMarkdown(cells: readonly BesideCell[]): string[] {
  return table(
    ["Beside encrypt", "So many/s", "p99 ms quiet", "p99 ms", "Of quiet"],
    cells.map(({ name, perSecond, quietP99, p99, ofQuiet }) => [
      name,
      perSecond.toFixed(1),
      quietP99.toFixed(2),
      p99.toFixed(2),
      `${ofQuiet.toFixed(1)} ×`,
    ]),
  );
}

/** Many keys, as lines of Markdown. */
export function manyKeysMarkdown({ keys, databaseBytes, times, memory }: ManyKeysFigures): string[] {
  const [ready, after] = memory;
  const vault = `${keys} keys, ${mib(databaseBytes)} MiB of database`;
  return [
    ...timesTable(vault, times),
    ...table(
      ["Resident memory, MiB", "ready", "after the pages", "peak"],
      [[vault, mib(ready.now), mib(after.now), mib(after.peak)]],
    ),
  ];
}
