import { AuditService, BunkmsError } from "@bunkms/contract";
import { TILE_WIDTH } from "@bunkms/tlog";
import { archiveFolder, orArchiveFailure } from "./archive-access.ts";
import { auditIndex } from "./audit-index.ts";
import { defineOperation } from "./operation.ts";
import { orNotFound } from "./tile-answer.ts";
import { refuseAborted } from "./time-slice.ts";

/** So many bundles at most in one call: a million entries. */
const MOST_BUNDLES = 4096;

export const archiveAuditLog = defineOperation(AuditService.method.archiveAuditLog, async (context, request) => {
  const { vault, auditProofs, ending } = context;
  const folder = archiveFolder(context);
  const first = vault.retention.current.archived;
  const signed = auditProofs.checkpoint()?.size ?? 0;
  // The last entry stays in the store whatever is pruned, because the log goes on from its batch.
  const whole = wholeBundles(Math.min(signed - 1, auditIndex(request.before, Number.MAX_SAFE_INTEGER)));
  const end = Math.min(whole, first + MOST_BUNDLES * TILE_WIDTH);
  if (end <= first) {
    throw new BunkmsError(
      "wrong_audit_range",
      `there is no full bundle to archive before ${whole}: entries before ${first} are archived`,
    );
  }
  if (first > 0 && !(await folder.isThere())) {
    // A disk that is not mounted: the archive would go on elsewhere, in pieces.
    throw new BunkmsError(
      "storage_unavailable",
      "the archive's folder is not there any more: mount its disk, or make the folder anew if it was moved away on purpose",
    );
  }
  const digests: Buffer[] = [];
  for (let at = first; at < end; at += TILE_WIDTH) {
    refuseAborted(ending);
    const entries = await orNotFound(auditProofs.entries(at, at + TILE_WIDTH));
    digests.push(await orArchiveFailure(folder.writeBundle(at / TILE_WIDTH, entries)));
  }
  const range = { origin: vault.logKeys.origin, first, end, root: await auditProofs.root(end) };
  const { name, digest } = await orArchiveFailure(folder.writeManifest(range, digests));
  return {
    response: {
      first: BigInt(first),
      end: BigInt(end),
      manifest: name,
      manifestSha256: digest.toString("hex"),
      more: end < whole,
    },
    plan: vault.retention.archive(first, end),
  };
});

function wholeBundles(entries: number): number {
  return Math.floor(entries / TILE_WIDTH) * TILE_WIDTH;
}
