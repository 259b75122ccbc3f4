import { AuditService, BunkmsError } from "@bunkms/contract";
import { hashedField } from "../audit/hashed-field.ts";
import { defineOperation } from "./operation.ts";

export const hashAuditValue = defineOperation(AuditService.method.hashAuditValue, async ({ vault }, request) => {
  const { field, given } = request;
  if (given.case === undefined) {
    throw new BunkmsError("invalid_request", "give value or value_b64");
  }
  const value = given.case === "value" ? Buffer.from(given.value) : given.value;
  return { response: { hash: hashedField(vault.auditKey, field, value) } };
});
