import { BunkmsError } from "@bunkms/contract";
import { SealFailure } from "../seal/seal.ts";
import { RecordDamaged } from "../vault/record.ts";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import { ArchiveRefused } from "./resume-log.ts";

const REFUSALS = [SealFailure, VaultRolledBack, RecordDamaged, ArchiveRefused];

/** What who brings the last share is told of a vault that does not open: the log tells more. @throws BunkmsError */
export function asVaultRefusal(cause: unknown): never {
  if (REFUSALS.some((kind) => cause instanceof kind)) {
    throw new BunkmsError("vault_damaged", undefined, { cause });
  }
  throw cause;
}
