import { AuditService, BunkmsError } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { orNotFound } from "./tile-answer.ts";

export const getAuditConsistency = defineOperation(
  AuditService.method.getAuditConsistency,
  async ({ auditProofs }, request) => {
    const [from, to] = [Number(request.from), Number(request.to)];
    const { size } = auditProofs.head();
    if (from > to) {
      throw new BunkmsError("not_found", `from, ${from}, is larger than to, ${to}: the smaller size comes first`);
    }
    if (to > size) {
      throw new BunkmsError("not_found", `to, ${to}, is larger than the audit log, which has ${size} entries`);
    }
    const hashes = await orNotFound(auditProofs.consistency(from, to));
    return { response: { hashes: hashes.map((hash) => hash.toString("base64")) } };
  },
);
