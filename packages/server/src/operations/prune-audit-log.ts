import { AuditService, BunkmsError } from "@bunkms/contract";
import { TILE_WIDTH } from "@bunkms/tlog";
import { archiveFolder, orArchiveFailure } from "./archive-access.ts";
import { auditIndex } from "./audit-index.ts";
import { defineOperation } from "./operation.ts";
import { refuseAborted } from "./time-slice.ts";

export const pruneAuditLog = defineOperation(AuditService.method.pruneAuditLog, async (context, request) => {
  const { vault, auditProofs, ending } = context;
  archiveFolder(context);
  const { pruned, archived } = vault.retention.current;
  const before = Math.floor(auditIndex(request.before, 0) / TILE_WIDTH) * TILE_WIDTH;
  if (before <= pruned || before > archived) {
    throw new BunkmsError(
      "wrong_audit_range",
      `entries before ${pruned} were pruned already, and only those before ${archived} are archived`,
    );
  }
  let bytes = 0;
  for (let at = pruned; at < before; at += TILE_WIDTH) {
    refuseAborted(ending);
    // Read back now, for the archive may have been changed or lost since it was written.
    const entries = await orArchiveFailure(auditProofs.archived(at / TILE_WIDTH));
    bytes += entries.reduce((sum, { length }) => sum + length, 0);
  }
  return { response: { pruned: BigInt(before) }, plan: vault.retention.prune(pruned, before, bytes) };
});
