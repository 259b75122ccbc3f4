import type { MessageInitShape } from "@bufbuild/protobuf";
import { BunkmsError, type RawBodySchema } from "@bunkms/contract";
import { parseTilePath, type TileAddress } from "@bunkms/tlog";
import { ArchiveChanged } from "../audit/archive-unfit.ts";
import { EntriesLost } from "../audit/tree.ts";
import { RecordDamaged } from "../vault/record.ts";

export const TILE_TYPE = "application/octet-stream";

/** Which tile a path below a level means. @throws BunkmsError `not_found` */
export function tileAddress(level: string, rest: string): TileAddress {
  const address = parseTilePath(`tile/${level}/${rest}`);
  if (address === undefined) {
    throw notFound();
  }
  return address;
}

/** Tiles never change. */
export function tileAnswer(data: Buffer): MessageInitShape<typeof RawBodySchema> {
  return { contentType: TILE_TYPE, data, immutable: true };
}

/**
 * What the log does not have is not there: of a size that it has not reached, or pruned and not in the archive. What somebody changed
 * there, or changed or removed in the log itself, is damaged: nobody is to take it for pruned.
 * @throws BunkmsError `not_found`, `vault_damaged`
 */
export async function orNotFound<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof RecordDamaged || error instanceof EntriesLost) {
      throw logDamaged(error);
    }
    if (error instanceof ArchiveChanged) {
      throw new BunkmsError("vault_damaged", error.message, { cause: error });
    }
    throw error instanceof RangeError ? notFound() : error;
  }
}

/** Which record it is goes to the server's log. */
export function logDamaged(cause: Error): BunkmsError {
  return new BunkmsError("vault_damaged", "the audit log is damaged there; the server's log says which record it is", {
    cause,
  });
}

function notFound(): BunkmsError {
  return new BunkmsError("not_found", "the audit log has no such part: it is not that long, or it was pruned");
}
