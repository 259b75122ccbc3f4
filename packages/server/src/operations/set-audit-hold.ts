import { AuditService } from "@bunkms/contract";
import { auditHoldMessage } from "./audit-hold-message.ts";
import { auditIndex } from "./audit-index.ts";
import { defineOperation } from "./operation.ts";

export const setAuditHold = defineOperation(AuditService.method.setAuditHold, async ({ vault, now }, request) => {
  const { name, reason } = request;
  const hold = {
    name,
    reason,
    from: auditIndex(request.from, vault.retention.current.pruned),
    until: auditIndex(request.until, Number.POSITIVE_INFINITY),
    createdAt: now,
  };
  return { response: auditHoldMessage(hold), plan: vault.retention.setHold(hold) };
});
