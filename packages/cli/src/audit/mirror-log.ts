import { type OpenedCheckpoint, type TileAddress, tilePath, verifyLog } from "@bunkms/tlog";
import { Failure } from "../failure.ts";
import type { LogPlace } from "./log-place.ts";
import { describeProblem } from "./log-verdict.ts";
import { MirrorFolder } from "./mirror-folder.ts";
import { type AuditTrust, handedOverBefore, openNote } from "./trust.ts";

/** What a mirror gained. */
export interface MirrorReport {
  readonly opened: OpenedCheckpoint;
  /** Entries of the checkpoint that was there. */
  readonly before: number;
  /** Files that were fetched. */
  readonly fetched: number;
  readonly pruned: number;
}

/** How a log is mirrored. */
export interface MirrorOptions {
  /** Looks at all that a mirror should have, not only at what is new, and fetches what is missing. */
  readonly whole: boolean;
  readonly allowPruned: boolean;
  readonly onProgress: (entries: number, size: number) => void;
}

/**
 * Brings a mirror up to date. Each tile and bundle is written when it is known to be what the new checkpoint says, and the
 * checkpoint when all of them are there and the log was found to have grown from the checkpoint before. So what was fetched
 * is not fetched again if it stops half-way.
 * @throws Failure
 */
export async function mirrorLog(
  from: LogPlace,
  path: string,
  trust: AuditTrust,
  handovers: string,
  options: MirrorOptions,
): Promise<MirrorReport> {
  const folder = new MirrorFolder(path);
  const note = await from.checkpoint();
  const opened = openNote(from.name, note, trust);
  const { size } = opened.checkpoint;
  const present = await folder.readFile("checkpoint");
  const before = present === undefined ? undefined : openNote(`${path}/checkpoint`, present, trust).checkpoint;
  if (before !== undefined && before.origin !== opened.checkpoint.origin) {
    throw new Failure(8, `${path} is a mirror of another log: ${before.origin}`);
  }
  let fetched = 0;
  const got = new Set<string>();
  const read = async (address: TileAddress): Promise<Uint8Array | undefined> => {
    const own = await folder.readFile(tilePath(address));
    if (own !== undefined) {
      return own;
    }
    got.add(tilePath(address));
    return from.read(address);
  };
  const { pruned } = await verifyLog(read, opened.checkpoint, {
    from: options.whole ? 0 : (before?.size ?? 0),
    earlier: [...(before === undefined ? [] : [before]), ...handedOverBefore(trust, opened.checkpoint)],
    allowPruned: options.allowPruned,
    ahead: from.ahead,
    onProblem(problem) {
      throw new Failure(
        8,
        `${from.name} does not verify: ${describeProblem(problem)}`,
        `${path} keeps the checkpoint that it has.`,
      );
    },
    async onVerified(address, bytes) {
      const name = tilePath(address);
      // Of a full one in place of a partial one, the rest is not known to be right.
      if (got.delete(name)) {
        await folder.write(name, bytes);
        fetched += 1;
      }
    },
    onProgress: (entries) => options.onProgress(entries, size),
  });
  if (handovers !== "") {
    await folder.write("handovers", Buffer.from(handovers));
  }
  await folder.write("checkpoint", note);
  await folder.removeOutgrown(before?.size ?? 0, size);
  return { opened, before: before?.size ?? 0, fetched, pruned };
}
