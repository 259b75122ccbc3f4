import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { LogProblem, OpenedCheckpoint } from "@bunkms/tlog";
import { formatTime } from "../output.ts";

/** What is wrong, in one line: the tile or bundle, the entry, and what of it. */
export function describeProblem({ path, entry, message }: LogProblem): string {
  return [path, entry === undefined ? undefined : `entry ${entry}`, message]
    .filter((part) => part !== undefined)
    .join(": ");
}

/** What a checkpoint vouches for, and who signed it. */
export function checkpointFields({
  checkpoint,
  log,
  witnesses,
}: OpenedCheckpoint): readonly (readonly [string, string])[] {
  return [
    ["log", checkpoint.origin],
    ["entries", String(checkpoint.size)],
    ["root", checkpoint.root.toString("base64")],
    ["signed by key", log.id.toString("hex")],
    ...witnesses.map(({ name, timestamp }) => ["witness", `${name} ${formatSeconds(timestamp)}`] as const),
  ];
}

/** The same for programs. */
export function checkpointJson({ checkpoint, log, witnesses }: OpenedCheckpoint): object {
  return {
    origin: checkpoint.origin,
    size: checkpoint.size,
    root_hash_b64: checkpoint.root.toString("base64"),
    key_id: log.id.toString("hex"),
    witnesses: witnesses.map(({ name, timestamp }) => ({ name, time: formatSeconds(timestamp) })),
  };
}

/** Seconds since 1970 as RFC 3339; of a witness that gives none, a dash. */
function formatSeconds(seconds: number): string {
  return seconds === 0 ? "-" : formatTime(timestampFromMs(seconds * 1000));
}
