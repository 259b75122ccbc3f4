import type { BarrierRotation, SealSlot, SealStatus } from "@bunkms/client";
import type { Io } from "./io.ts";
import { formatTime, printFields, printMessage, printTable } from "./output.ts";

type Printing = { readonly io: Io; readonly options: { readonly json?: boolean } };

/** Prints whether the vault is open, and how far its unsealing is; what there is not is left out. */
export function printSealStatus({ io, options }: Printing, status: SealStatus): void {
  if (options.json) {
    printMessage(io, status);
    return;
  }
  const { state, type, sealed, progress, t, n, failingSeals, version, storageType, clusterId } = status;
  const fields: readonly (readonly [name: string, value: string])[] = [
    ["state", state],
    ["seal", type],
    ["progress", sealed && t > 0 ? `${progress} of ${t}` : ""],
    ["shares", n > 0 ? sharing(t, n) : ""],
    ["failing seals", failingSeals.join(", ")],
    ["version", version],
    ["storage", storageType],
    ["cluster", clusterId],
  ];
  printFields(
    io,
    fields.filter(([, value]) => value !== ""),
  );
}

/** Prints slots, one a row. */
export function printSlots(io: Io, slots: readonly SealSlot[]): void {
  const rows = slots.map((slot) => [
    slot.id,
    slot.kind,
    slot.state,
    slot.secretShares > 0 ? sharing(slot.secretThreshold, slot.secretShares) : "-",
    formatTime(slot.createdAt),
    slot.keyName,
  ]);
  printTable(io, ["ID", "KIND", "STATE", "SHARES", "CREATED", "KEY"], rows);
}

/** Prints how far the records are sealed anew. */
export function printRotation({ io, options }: Printing, rotation: BarrierRotation): void {
  if (options.json) {
    printMessage(io, rotation);
    return;
  }
  const { version, inProgress, percent, recordsResealed } = rotation;
  printFields(io, [
    ["barrier key", `version ${version}`],
    ["records", inProgress ? `being sealed anew, ${percent} %` : "all sealed by it"],
    ["sealed anew", String(recordsResealed)],
  ]);
}

function sharing(threshold: number, shares: number): string {
  return `${threshold} of ${shares}`;
}
