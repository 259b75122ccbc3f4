import { BunkmsError } from "@bunkms/contract";
import type { ArchiveFolder } from "../audit/archive-folder.ts";
import type { Services } from "./operation.ts";

/** @throws BunkmsError `archive_not_configured` */
export function archiveFolder({ auditArchive }: Pick<Services, "auditArchive">): ArchiveFolder {
  if (auditArchive === undefined) {
    throw new BunkmsError("archive_not_configured");
  }
  return auditArchive;
}

/** @throws BunkmsError `storage_unavailable` in the place of what the file system says, which goes to the log. */
export async function orArchiveFailure<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new BunkmsError("storage_unavailable", "the archive's folder cannot be read or written", { cause });
  }
}
