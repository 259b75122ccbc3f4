import { AuditService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { orNotFound } from "./tile-answer.ts";

export const getAuditConsistency = defineOperation(
  AuditService.method.getAuditConsistency,
  async ({ auditProofs }, { from, to }) => {
    const hashes = await orNotFound(auditProofs.consistency(Number(from), Number(to)));
    return { response: { hashes: hashes.map((hash) => hash.toString("base64")) } };
  },
);
