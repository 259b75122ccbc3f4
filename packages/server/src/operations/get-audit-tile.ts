import { AuditService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { orNotFound, tileAddress, tileAnswer } from "./tile-answer.ts";

export const getAuditTile = defineOperation(
  AuditService.method.getAuditTile,
  async ({ auditProofs }, { level, tile }) => {
    const { index, width } = tileAddress(level, tile);
    const hashes = await orNotFound(auditProofs.tile(Number(level), index, width));
    return { response: tileAnswer(Buffer.concat(hashes)) };
  },
);
