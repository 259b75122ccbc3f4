import { AuditService } from "@bunkms/contract";
import { formatVkey } from "@bunkms/tlog";
import { defineOperation } from "./operation.ts";
import { timestamp } from "./timestamp.ts";

export const listAuditKeys = defineOperation(AuditService.method.listAuditKeys, async ({ vault }) => ({
  response: {
    origin: vault.logKeys.origin,
    keys: vault.logKeys.all.map(({ version, key, createdAt, isActive, handover }) => ({
      version,
      vkey: formatVkey(key),
      keyId: key.id.toString("hex"),
      createdAt: timestamp(createdAt),
      active: isActive,
      handover,
    })),
  },
}));
