import { BunkmsError } from "@bunkms/contract";
import { AuditProofs } from "../audit/proofs.ts";
import { AuditReader } from "../audit/reader.ts";
import type { Introspection, Services } from "../operations/operation.ts";
import type { SealControl } from "../operations/seal-control.ts";
import { auditBatches } from "../pipeline/audit-batches.ts";
import type { Unsealed } from "./unseal.ts";

/** What there is for calls while a vault is open. */
export function openServices(unsealed: Unsealed, introspection: Introspection, seals: SealControl): Services {
  const { vault, tokens, log, tree, checkpoints, committer } = unsealed;
  return {
    vault,
    tokens,
    audit: new AuditReader(auditBatches(vault.records), log),
    auditProofs: new AuditProofs({ log, tree, checkpoints, signNow: () => committer.checkpoint() }),
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
  };
}
