import { BunkmsError } from "@bunkms/contract";
import type { ArchiveFolder } from "../audit/archive-folder.ts";
import { ArchiveUnfit } from "../audit/archive-unfit.ts";
import type { Services } from "./operation.ts";

/** @throws BunkmsError `archive_not_configured` */
export function archiveFolder({ auditArchive }: Pick<Services, "auditArchive">): ArchiveFolder {
  if (auditArchive === undefined) {
    throw new BunkmsError("archive_not_configured");
  }
  return auditArchive;
}

/**
 * @throws BunkmsError `storage_unavailable` in the place of what the file system says, which goes to the log; and with what the archive
 * lacks or has instead.
 */
export async function orArchiveFailure<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const what = cause instanceof ArchiveUnfit ? cause.message : "the archive's folder cannot be read or written";
    throw new BunkmsError("storage_unavailable", what, { cause });
  }
}
