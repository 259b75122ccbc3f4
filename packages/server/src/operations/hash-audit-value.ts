import { AuditService } from "@bunkms/contract";
import { hashedField } from "../audit/hashed-field.ts";
import { defineOperation } from "./operation.ts";

export const hashAuditValue = defineOperation(
  AuditService.method.hashAuditValue,
  async ({ vault }, { field, given }) => {
    const value = given.case === "valueB64" ? given.value : Buffer.from(given.value ?? "");
    return { response: { hash: hashedField(vault.auditKey, field, value) } };
  },
);
