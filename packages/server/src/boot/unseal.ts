import { Tokens } from "../access/tokens.ts";
import { ownEntry } from "../audit/entry.ts";
import { AuditLog, decodeBatch } from "../audit/log.ts";
import { lastBatch } from "../pipeline/audit-batches.ts";
import { Committer } from "../pipeline/committer.ts";
import type { Seal } from "../seal/seal.ts";
import type { Store } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import { VaultRolledBack } from "../vault/records.ts";
import { createVault, isInitialised, loadVault, unsealVault, type Vault } from "../vault/vault.ts";

/** A vault at work. */
export interface Unsealed {
  readonly vault: Vault;
  readonly tokens: Tokens;
  readonly log: AuditLog;
  readonly committer: Committer;
  /** The root token of a vault that was made just now: to be shown once. */
  readonly rootToken?: string;
}

/**
 * Opens the vault of a store, or makes one in an empty store. Either is recorded in the audit log.
 * @throws SealFailure, VaultRolledBack, RecordDamaged, StoreUnavailable. Nothing was changed then.
 */
export async function openOrCreate(store: Store, seal: Seal): Promise<Unsealed> {
  if (await isInitialised(store)) {
    const unsealed = await open(store, seal);
    await unsealed.committer.submit(ownEntry("system.unseal", "", Date.now()));
    return unsealed;
  }
  if ((await store.list("audit", { limit: 1 })).length > 0) {
    throw new VaultRolledBack("the data folder has an audit log but no seal slot");
  }
  const unsealed = assemble(await createVault(store, seal));
  return { ...unsealed, rootToken: await commitRootToken(unsealed, "system.initialise") };
}

/**
 * Opens an existing vault and makes another root token, for who lost theirs.
 * @throws as `openOrCreate`; Error when there is no vault.
 */
export async function makeRootToken(store: Store, seal: Seal): Promise<string> {
  if (!(await isInitialised(store))) {
    throw new Error("there is no vault in this data folder yet: start the server first");
  }
  return commitRootToken(await open(store, seal), "system.new_root_token");
}

async function open(store: Store, seal: Seal): Promise<Unsealed> {
  const vault = await unsealVault(store, seal);
  const last = await lastBatch(vault.records);
  await vault.records.reload(last?.generation);
  await vault.records.verifyState((report) => loadVault(vault, report));
  const unsealed = assemble(vault);
  if (last !== undefined) {
    unsealed.log.adopt(decodeBatch(last.payload).frontier);
  }
  return unsealed;
}

function assemble(vault: Vault): Unsealed {
  const tokens = new Tokens(vault.records, vault.tokenKey);
  const log = new AuditLog();
  const committer = new Committer({
    records: vault.records,
    log,
    lastBatch: () => lastBatch(vault.records),
    onReload: async () => {
      tokens.forget();
      await loadVault(vault);
    },
  });
  return { vault, tokens, log, committer };
}

async function commitRootToken({ tokens, committer }: Unsealed, operation: string): Promise<string> {
  const plan = tokens.create("root", "root", 0, Date.now());
  await committer.submit(ownEntry(operation, `token/${plan.result.id}`, Date.now()), plan as Plan<unknown>);
  return plan.result.token;
}
