import { AuditService } from "@bunkms/contract";
import { formatVkey } from "@bunkms/tlog";
import { defineOperation } from "./operation.ts";

export const rotateAuditKey = defineOperation(
  AuditService.method.rotateAuditKey,
  async ({ vault, auditProofs, now }) => {
    const plan = await vault.logKeys.rotate(auditProofs.head(), now);
    const { version, key, handover } = plan.result;
    return { response: { version, vkey: formatVkey(key), handover }, plan };
  },
);
