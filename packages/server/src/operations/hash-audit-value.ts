import { AuditService, BunkmsError } from "@bunkms/contract";
import { hashedField } from "../audit/hashed-field.ts";
import { defineOperation } from "./operation.ts";

export const hashAuditValue = defineOperation(
  AuditService.method.hashAuditValue,
  async ({ vault, introspection: { hashedFields } }, { field, given }) => {
    if (!hashedFields.has(field)) {
      // Its hash would be found nowhere, as if the value had never been used.
      const known = [...hashedFields].join(", ");
      throw new BunkmsError("invalid_request", `field: the audit log has no hashed field of this name, only ${known}`);
    }
    const value = given.case === "valueB64" ? given.value : Buffer.from(given.value ?? "");
    return { response: { hash: hashedField(vault.auditKey, field, value) } };
  },
);
