import type { MessageInitShape } from "@bufbuild/protobuf";
import { type AuditCheckpointStateSchema, AuditService } from "@bunkms/contract";
import type { SignedCheckpoint } from "../audit/checkpoints.ts";
import { defineOperation } from "./operation.ts";
import { timestamp } from "./timestamp.ts";

export const getAuditStatus = defineOperation(
  AuditService.method.getAuditStatus,
  async ({ auditProofs, witnessing }) => {
    const { quorum, witnesses } = witnessing() ?? { quorum: "none", witnesses: [] };
    return {
      response: {
        size: BigInt(auditProofs.head().size),
        ...checkpointState("signed", auditProofs.checkpoint()),
        ...checkpointState("cosigned", auditProofs.cosigned()),
        quorum,
        witnesses: witnesses.map(({ name, cursor, failing }) => ({
          name,
          size: BigInt(cursor?.size ?? 0),
          ...(cursor === undefined ? {} : { cosignedAt: timestamp(cursor.cosignedAt) }),
          ...(failing === undefined ? {} : { failingSince: timestamp(failing.since), reason: failing.reason }),
        })),
      },
    };
  },
);

function checkpointState<Name extends string>(
  name: Name,
  checkpoint: SignedCheckpoint | undefined,
): { readonly [N in Name]?: MessageInitShape<typeof AuditCheckpointStateSchema> } {
  if (checkpoint === undefined) {
    return {};
  }
  const { size, at } = checkpoint;
  const state = { size: BigInt(size), ...(at === undefined ? {} : { time: timestamp(at) }) };
  return { [name]: state } as { [N in Name]: typeof state };
}
