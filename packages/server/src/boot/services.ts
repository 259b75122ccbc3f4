import { BunkmsError } from "@bunkms/contract";
import type { ArchiveFolder } from "../audit/archive-folder.ts";
import { AuditProofs } from "../audit/proofs.ts";
import { AuditReader } from "../audit/reader.ts";
import { AuditSpace } from "../audit/space.ts";
import type { WitnessingState } from "../audit/witnesses/witnessing.ts";
import type { Introspection, Services } from "../operations/operation.ts";
import type { SealControl } from "../operations/seal-control.ts";
import { auditBatches } from "../pipeline/audit-batches.ts";
import type { Unsealed } from "./unseal.ts";

/** Where the audit log may lie, and how large it may be there. */
interface AuditRoom {
  readonly auditArchive?: ArchiveFolder | undefined;
  /** 0: no limit. */
  readonly auditMaxBytes: number;
  /** Undefined without a policy. */
  readonly witnessing: () => WitnessingState | undefined;
}

/** What there is for calls while a vault is open. */
export function openServices(
  unsealed: Unsealed,
  introspection: Introspection,
  seals: SealControl,
  { auditArchive, auditMaxBytes, witnessing }: AuditRoom,
): Services {
  const { vault, tokens, log, tree, checkpoints, committer, index } = unsealed;
  const pruned = (): number => vault.retention.current.pruned;
  return {
    vault,
    tokens,
    audit: new AuditReader({ batches: auditBatches(vault.records), log, index, pruned }),
    auditProofs: new AuditProofs({ log, tree, checkpoints, signNow: () => committer.checkpoint() }),
    auditSpace: new AuditSpace(log, () => vault.retention.current.prunedBytes, auditMaxBytes),
    auditArchive,
    witnessing,
    introspection,
    seals,
  };
}

/** What there is for calls while no vault is open: what they may not have is refused, not missing. */
export function sealedServices(introspection: Introspection, seals: SealControl): Services {
  const refuse = (): never => {
    throw new BunkmsError("sealed");
  };
  return {
    introspection,
    seals,
    get vault() {
      return refuse();
    },
    get tokens() {
      return refuse();
    },
    get audit() {
      return refuse();
    },
    get auditProofs() {
      return refuse();
    },
    get auditSpace() {
      return refuse();
    },
    get auditArchive() {
      return refuse();
    },
    get witnessing() {
      return refuse();
    },
  };
}
