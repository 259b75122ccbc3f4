import type { BunkmsClient } from "@bunkms/client";
import { BunkmsApiError } from "@bunkms/client";
import { formatHandovers, type ReadLog, tilePath } from "@bunkms/tlog";
import { Failure } from "../failure.ts";
import { MirrorFolder } from "./mirror-folder.ts";

/** Where a log is read from. */
export interface LogPlace {
  /** For messages. */
  readonly name: string;
  /** The signed note. @throws Failure when there is none. */
  checkpoint(): Promise<Uint8Array>;
  /** Notes of hand-overs as their file has them; empty when there are none. */
  handovers(): Promise<string>;
  readonly read: ReadLog;
  /** How many may be asked for at once. */
  readonly ahead: number;
}

/** A mirror's folder. */
export function folderPlace(path: string): LogPlace {
  const folder = new MirrorFolder(path);
  return {
    name: path,
    ahead: 1,
    read: (address) => folder.readFile(tilePath(address)),
    handovers: async () => (await folder.readFile("handovers"))?.toString() ?? "",
    async checkpoint() {
      const bytes = await folder.readFile("checkpoint");
      if (bytes === undefined) {
        throw new Failure(2, `${path} has no checkpoint`, 'It is no mirror of a log: "bunkms audit mirror --help".');
      }
      return bytes;
    },
  };
}

/** A server. The token must be one that may read entries: an admin's. */
export function serverPlace({ audit }: BunkmsClient): LogPlace {
  return {
    name: "the server's log",
    ahead: 8,
    checkpoint: async () => (await audit.getAuditCheckpoint({})).data,
    async handovers() {
      const { keys } = await audit.listAuditKeys({});
      return formatHandovers(keys.map(({ handover }) => handover).filter((note) => note !== ""));
    },
    async read(address) {
      const [, level = "", ...rest] = tilePath(address).split("/");
      const path = rest.join("/");
      const answer =
        level === "entries" ? audit.getAuditBundle({ bundle: path }) : audit.getAuditTile({ level, tile: path });
      return await answer.then(({ data }) => data, insteadOf);
    },
  };
}

/**
 * What a verifier is given in place of a part, so that what is wrong is told with its place and the rest is looked at. One that the
 * server finds damaged is there, and wrong: no verifier takes it for one that was pruned.
 */
const INSTEAD: ReadonlyMap<string, Uint8Array | undefined> = new Map([
  ["not_found", undefined],
  ["vault_damaged", new Uint8Array(0)],
]);

function insteadOf(error: unknown): Uint8Array | undefined {
  if (error instanceof BunkmsApiError && INSTEAD.has(error.code)) {
    return INSTEAD.get(error.code);
  }
  throw error;
}
