import { Tokens } from "../access/tokens.ts";
import type { ArchiveFolder } from "../audit/archive-folder.ts";
import { Checkpoints } from "../audit/checkpoints.ts";
import { ownEntry } from "../audit/entry.ts";
import { AuditLog } from "../audit/log.ts";
import { SearchIndex } from "../audit/search-index.ts";
import { AuditTree, type TreeStore } from "../audit/tree.ts";
import { type Archive, lastBatch, treeStore } from "../pipeline/audit-batches.ts";
import { saveCheckpoint } from "../pipeline/audit-checkpoints.ts";
import { lotStore } from "../pipeline/audit-lots.ts";
import { Committer } from "../pipeline/committer.ts";
import type { Seal } from "../seal/seal.ts";
import type { Store } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import { type OpenedRoot, openRoot, plainSeal, readSlots, type SlotSeal } from "../vault/root.ts";
import { createVault, isInitialised, loadVault, unsealVault, type Vault } from "../vault/vault.ts";
import { readEnd, resumeLog } from "./resume-log.ts";

/** A vault at work. */
export interface Unsealed {
  readonly vault: Vault;
  readonly tokens: Tokens;
  readonly log: AuditLog;
  /** Where the log's entries and tiles lie. */
  readonly logStore: TreeStore;
  readonly tree: AuditTree;
  readonly checkpoints: Checkpoints;
  /** What the log is searched by. */
  readonly index: SearchIndex;
  readonly committer: Committer;
}

/** A vault at work, with the root token of one that was made just now: to be shown once. */
export interface Started extends Unsealed {
  readonly rootToken?: string;
}

const NEVER = new AbortController().signal;

/**
 * Makes a new vault. It is not there before the first commit, which is all or nothing.
 * @param seals Puts those for the slots into the list, given the cluster's id.
 * @throws VaultRolledBack when the store has an audit log already; SealUnavailable; StoreUnavailable.
 */
export async function prepareVault(
  store: Store,
  seals: (cluster: Buffer, into: SlotSeal[]) => Promise<void>,
  now: number,
  signal: AbortSignal,
  archive?: ArchiveFolder,
): Promise<Unsealed> {
  if ((await store.list("audit", { limit: 1 })).length > 0) {
    throw new VaultRolledBack("the data folder has an audit log but no seal slot");
  }
  return assemble(await createVault(store, seals, now, signal), archive);
}

/**
 * Opens a vault by what a slot gave. Nothing is recorded yet.
 * @throws SealFailure, VaultRolledBack, ArchiveRefused, RecordDamaged, StoreUnavailable. Nothing was changed then.
 */
export async function openVault(store: Store, opened: OpenedRoot, archive?: ArchiveFolder): Promise<Unsealed> {
  const { vault, keyringVersion } = await unsealVault(store, opened);
  try {
    const { records } = vault;
    const last = await lastBatch(records);
    await records.reload(last?.generation);
    await records.verifyState(keyringVersion, (report) => loadVault(vault, report));
    const unsealed = assemble(vault, archive);
    await resumeLog(unsealed, last);
    return unsealed;
  } catch (error) {
    vault.root.wipe();
    throw error;
  }
}

/** The plan for a root token. @param ttlSeconds 0: it does not expire. */
export function planRootToken({ tokens }: Unsealed, ttlSeconds: number, now: number): ReturnType<Tokens["create"]> {
  return tokens.create("root", "root", ttlSeconds, now);
}

/**
 * Opens the vault of a store with a seal, or makes one in an empty store. Either is recorded in the audit log.
 * @throws as `openVault` and `prepareVault`; SealFailure that names the slots when the seal opens none.
 */
export async function openOrCreate(store: Store, seal: Seal, rootTtlSeconds = 0): Promise<Started> {
  if (await isInitialised(store)) {
    const unsealed = await openVault(store, await openRoot(await readSlots(store), seal, NEVER));
    await unsealed.committer.submit(ownEntry("system.unseal", "", Date.now()));
    return unsealed;
  }
  const unsealed = await prepareVault(store, async (_, into) => void into.push(plainSeal(seal)), Date.now(), NEVER);
  return { ...unsealed, rootToken: (await commitRootToken(unsealed, "system.initialise", rootTtlSeconds)).token };
}

function assemble(vault: Vault, folder: ArchiveFolder | undefined): Unsealed {
  const { records, logKeys } = vault;
  const tokens = new Tokens(records, vault.tokenKey);
  const log = new AuditLog();
  const archive: Archive = {
    pruned: () => vault.retention.current.pruned,
    readBundle: async (index) => folder?.readBundle(index),
  };
  const logStore = treeStore(records, archive);
  const tree = new AuditTree(logStore, log);
  const { pruned } = archive;
  const index = new SearchIndex({ key: vault.auditIndexKey, log, tree, lots: lotStore(records), pruned });
  const checkpoints = new Checkpoints({
    origin: logKeys.origin,
    sign: (text) => logKeys.sign(text),
    save: (note) => saveCheckpoint(records, note),
    monotonic: () => performance.now(),
    clock: Date.now,
  });
  const committer = new Committer({
    records,
    log,
    checkpoints,
    onAppended: (first, entries) => index.append(first, entries),
    readEnd: async () => readEnd(await lastBatch(records), logStore),
    onReload: async () => {
      // A change of the root key or the barrier key may have come through though its commit failed. If the keyring does not
      // open, nothing more is answered until the next start, which opens what is there.
      await vault.slots.reload();
      tokens.forget();
      await loadVault(vault);
      records.forgetResealed();
    },
  });
  return { vault, tokens, log, logStore, tree, checkpoints, index, committer };
}

/** Makes a root token, recorded as this operation of the server's own. @param ttlSeconds 0: it does not expire. */
export async function commitRootToken(
  unsealed: Unsealed,
  operation: string,
  ttlSeconds: number,
): Promise<{ readonly token: string; readonly expiresAt: number }> {
  const plan = planRootToken(unsealed, ttlSeconds, Date.now());
  await unsealed.committer.submit(ownEntry(operation, `token/${plan.result.id}`, Date.now()), plan as Plan<unknown>);
  return plan.result;
}
