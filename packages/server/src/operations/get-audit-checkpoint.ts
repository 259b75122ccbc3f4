import { AuditService, BunkmsError } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getAuditCheckpoint = defineOperation(AuditService.method.getAuditCheckpoint, async ({ auditProofs }) => {
  const checkpoint = auditProofs.published();
  if (checkpoint === undefined) {
    throw new BunkmsError("audit_unavailable", "no checkpoint of the audit log was signed yet; try again in a second");
  }
  return { response: { contentType: "text/plain; charset=utf-8", data: Buffer.from(checkpoint.note) } };
});
