import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AuditHoldSchema } from "@bunkms/contract";
import type { AuditHold } from "../vault/audit-retention.ts";
import { timestamp } from "./timestamp.ts";

export function auditHoldMessage({
  name,
  reason,
  from,
  until,
  createdAt,
}: AuditHold): MessageInitShape<typeof AuditHoldSchema> {
  return {
    name,
    reason,
    from: BigInt(from),
    until: Number.isFinite(until) ? BigInt(until) : 0n,
    createdAt: timestamp(createdAt),
  };
}
