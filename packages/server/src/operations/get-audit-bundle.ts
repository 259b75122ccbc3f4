import { AuditService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { orNotFound, tileAddress, tileAnswer } from "./tile-answer.ts";

export const getAuditBundle = defineOperation(
  AuditService.method.getAuditBundle,
  async ({ auditProofs }, { bundle }) => {
    const { index, width } = tileAddress("entries", bundle);
    return { response: tileAnswer(await orNotFound(auditProofs.bundle(index, width))) };
  },
);
