import { AuditService, BunkmsError, Role } from "@bunkms/contract";
import { roleRank } from "../access/identity.ts";
import { decodeEntry } from "../audit/entry.ts";
import { defineOperation } from "./operation.ts";
import { orNotFound } from "./tile-answer.ts";

export const getAuditReceipt = defineOperation(
  AuditService.method.getAuditReceipt,
  async ({ auditProofs, caller }, request) => {
    const index = Number(request.index);
    const entry = await orNotFound(auditProofs.entry(index));
    const isOwn = decodeEntry(entry).identity?.id === caller.id;
    if (!isOwn && roleRank(caller.role) < Role.ADMIN) {
      throw new BunkmsError("permission_denied", "the entry is of another caller; an admin token reads it");
    }
    const proof = await orNotFound(auditProofs.receipt(index, entry));
    return { response: { index: BigInt(index), entryB64: entry, proof } };
  },
);
