import type { Key, KeyVersion } from "@bunkms/client";
import { formatDuration } from "./durations.ts";
import type { Io } from "./io.ts";
import { formatTime, printFields, printMessage, printTable } from "./output.ts";

/** Prints a key's metadata and versions; what is not set is left out. */
export function printKey({ io, options }: { io: Io; options: { readonly json?: boolean } }, key: Key): void {
  if (options.json) {
    printMessage(io, key);
    return;
  }
  const fields: readonly (readonly [name: string, value: string])[] = [
    ["name", key.name],
    ["id", key.id],
    ["type", key.type],
    ["purpose", key.purpose],
    ["state", key.state],
    ["destroyed at", formatTime(key.deletionAt)],
    ["options", optionsOf(key)],
    ["description", key.description],
    [
      "tags",
      Object.entries(key.tags)
        .map(([name, value]) => `${name}=${value}`)
        .toSorted()
        .join(", "),
    ],
    ["created", formatTime(key.createdAt)],
    ["version", String(key.latestVersion)],
    ["oldest to decrypt", bound(key.minDecryptionVersion)],
    ["oldest to encrypt", bound(key.minEncryptionVersion)],
    ["rotates", rotationOf(key)],
    ["from the Go BunKMS", legacyOf(key)],
  ];
  printFields(
    io,
    fields.filter(([, value]) => value !== ""),
  );
  io.stdout.write("\n");
  printVersions(io, key.versions);
}

/** Prints versions with their states and uses. */
export function printVersions(io: Io, versions: readonly KeyVersion[]): void {
  const isAnyPending = versions.some((one) => one.deletionAt !== undefined);
  const rows = versions.map((one) => [
    String(one.version),
    one.state,
    ...(isAnyPending ? [formatTime(one.deletionAt) || "-"] : []),
    formatTime(one.createdAt),
    formatTime(one.lastUsedAt) || "never",
    String(one.uses),
  ]);
  const header = ["VERSION", "STATE", ...(isAnyPending ? ["DESTROYED AT"] : []), "CREATED", "LAST USED", "USES"];
  printTable(io, header, rows);
}

function legacyOf({ legacyVersions }: Key): string {
  return legacyVersions === 0 ? "" : `versions 1 to ${legacyVersions} also open its ciphertexts`;
}

function optionsOf(key: Key): string {
  return (["derived", "deterministic", "exportable", "imported"] as const).filter((name) => key[name]).join(", ");
}

/** Version 1 bounds nothing. */
function bound(version: number): string {
  return version > 1 ? `version ${version}` : "";
}

function rotationOf(key: Key): string {
  if (key.rotationPeriodSeconds === 0) {
    return "";
  }
  const next = formatTime(key.nextRotationAt);
  return `every ${formatDuration(key.rotationPeriodSeconds)}${next === "" ? "" : `, next at ${next}`}`;
}
