import { NoteMalformed, parseNote, SignatureInvalid, verifyNote } from "@bunkms/tlog";
import { ArchiveUnfit } from "../audit/archive-unfit.ts";
import type { Checkpoints, SignedCheckpoint } from "../audit/checkpoints.ts";
import type { AuditLog } from "../audit/log.ts";
import { decodeBatch, EMPTY_LOG, type LogEnd } from "../audit/log.ts";
import { checkAgainst, LogDamaged, restoreEnd } from "../audit/restore.ts";
import type { AuditTree, TreeStore } from "../audit/tree.ts";
import { label } from "../config/settings.ts";
import type { StoredBatch } from "../pipeline/audit-batches.ts";
import { loadCheckpoint } from "../pipeline/audit-checkpoints.ts";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import type { Vault } from "../vault/vault.ts";

/** The vault does not open for what its log's archive has, or lacks: rather than its data folder, of which it may be another one's. */
export class ArchiveRefused extends Error {
  constructor(cause: ArchiveUnfit) {
    super(
      `the audit log cannot be opened without its archive: ${cause.message}. Hashes that were lost are made of these entries: ` +
        `give ${label("auditArchive")} the folder that it was archived to, or restore its files from a copy. If the archive is whole, the ` +
        "data folder is not: restore its newest copy",
      { cause },
    );
    this.name = "ArchiveRefused";
  }
}

/** The stored log's end, and what its last batch says. */
interface StoredEnd {
  readonly end: LogEnd;
  readonly generation: number;
  /** Size of the newest checkpoint that was on disk then. */
  readonly signed: number;
}

/**
 * Where the stored log ends, with the generation that its last batch carries; undefined of a log without entries.
 * @throws VaultRolledBack when entries, tiles and last batch do not agree; ArchiveRefused.
 */
export async function readEnd(last: StoredBatch | undefined, store: TreeStore): Promise<StoredEnd | undefined> {
  if (last === undefined) {
    return undefined;
  }
  try {
    const batch = decodeBatch(last.payload);
    return { end: await restoreEnd(store, batch), generation: last.generation, signed: batch.signed };
  } catch (error) {
    throw asRefusal(error);
  }
}

/** What a vault's log is resumed with. */
interface ResumedLog {
  readonly vault: Vault;
  readonly log: AuditLog;
  readonly logStore: TreeStore;
  readonly tree: AuditTree;
  readonly checkpoints: Checkpoints;
}

/**
 * Goes on with a stored log, unless a checkpoint was signed or cosigned over more entries or others than it has. There is no torn end
 * to drop: a batch is in the store with all that belongs to it, or is not.
 * @param last The log's last batch.
 * @throws VaultRolledBack, ArchiveRefused
 */
export async function resumeLog(
  { vault, log, logStore, tree, checkpoints }: ResumedLog,
  last: StoredBatch | undefined,
): Promise<void> {
  const { end, signed: known } = (await readEnd(last, logStore)) ?? { end: EMPTY_LOG, signed: 0 };
  log.adopt(end);
  const keys = vault.logKeys.all.map(({ key }) => key);
  const load = async (which: "signed" | "cosigned"): Promise<SignedCheckpoint | undefined> => {
    const text = await loadCheckpoint(vault.records, which);
    if (text === undefined) {
      return undefined;
    }
    const note = parseNote(text);
    verifyNote(note, keys);
    return { ...(await checkAgainst(note.text, tree, end)), note: text };
  };
  try {
    const [signed, cosigned] = [await load("signed"), await load("cosigned")];
    if ((signed?.size ?? 0) < known) {
      throw new LogDamaged(`a checkpoint over ${known} entries was signed, and there is none or an older one`);
    }
    if (signed !== undefined) {
      checkpoints.adopt(signed);
    }
    if (cosigned !== undefined) {
      checkpoints.restore(cosigned);
    }
  } catch (error) {
    throw asRefusal(error);
  }
}

function asRefusal(error: unknown): unknown {
  if (error instanceof ArchiveUnfit) {
    return new ArchiveRefused(error);
  }
  if (error instanceof LogDamaged || error instanceof RangeError) {
    return new VaultRolledBack(`the audit log is damaged: ${error.message}`);
  }
  if (error instanceof NoteMalformed || error instanceof SignatureInvalid) {
    return new VaultRolledBack("the audit log's last checkpoint is not signed by the log's key");
  }
  return error;
}
