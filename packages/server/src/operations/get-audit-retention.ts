import { AuditService } from "@bunkms/contract";
import { auditHoldMessage } from "./audit-hold-message.ts";
import { defineOperation } from "./operation.ts";

export const getAuditRetention = defineOperation(
  AuditService.method.getAuditRetention,
  async ({ vault, auditProofs, auditSpace }) => {
    const { archived, pruned, holds } = vault.retention.current;
    return {
      response: {
        size: BigInt(auditProofs.head().size),
        storedBytes: BigInt(auditSpace.stored()),
        maxBytes: BigInt(auditSpace.limit),
        archived: BigInt(archived),
        pruned: BigInt(pruned),
        holds: holds.map(auditHoldMessage),
      },
    };
  },
);
