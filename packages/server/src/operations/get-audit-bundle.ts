import { AuditService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { orNotFound, TILE_TYPE, tileAddress } from "./tile-answer.ts";

export const getAuditBundle = defineOperation(
  AuditService.method.getAuditBundle,
  async ({ auditProofs }, { bundle }) => {
    const { index, width } = tileAddress("entries", bundle);
    // Never changes either, but no cache is to keep what entries say.
    return { response: { contentType: TILE_TYPE, data: await orNotFound(auditProofs.bundle(index, width)) } };
  },
);
