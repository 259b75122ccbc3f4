import { AuditService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const releaseAuditHold = defineOperation(AuditService.method.releaseAuditHold, async ({ vault }, { name }) => ({
  response: {},
  plan: vault.retention.releaseHold(name),
}));
