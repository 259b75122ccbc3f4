import type { KeyObject } from "node:crypto";
import { wipe } from "../crypto/kdf.ts";
import type { Seal } from "../seal/seal.ts";
import type { Store, Table } from "../store/store.ts";
import { Aliases } from "./aliases.ts";
import { ImportKeys } from "./import-keys.ts";
import { KeyBackups } from "./key-backups.ts";
import { KeyUsage } from "./key-usage.ts";
import { createKeyring, loadKeyring } from "./keyring.ts";
import { Keys } from "./keys.ts";
import { openKeyring, Records, type ReportRecord, sealKeyring } from "./records.ts";
import { createRoot, hasRoot, openRoot } from "./root-slot.ts";
import { Secrets } from "./secrets.ts";

/** An unsealed vault. The root key is gone again; what lives in memory is the keyring under it. */
export interface Vault {
  readonly records: Records;
  readonly keys: Keys;
  readonly usage: KeyUsage;
  readonly aliases: Aliases;
  readonly secrets: Secrets;
  readonly imports: ImportKeys;
  readonly backups: KeyBackups;
  readonly tokenKey: KeyObject;
  readonly auditKey: KeyObject;
}

/** Whether the store holds a vault, sealed or not. */
export async function isInitialised(store: Store): Promise<boolean> {
  return hasRoot(store);
}

/**
 * Makes a new vault: cluster id, root key wrapped by the seal, keyring. It reaches the store with the first commit,
 * which is all or nothing: a crash before leaves no vault.
 */
export async function createVault(store: Store, seal: Seal): Promise<Vault> {
  const { cluster, rootKey, slot } = await createRoot(seal);
  const keyring = createKeyring();
  const genesis = [slot, sealKeyring(cluster, rootKey, keyring)];
  wipe(rootKey);
  return openVault(store, cluster, keyring, genesis);
}

/**
 * Unseals the vault of a store.
 * @throws SealFailure that names the slots, when the seal opens none of them; RecordDamaged.
 */
export async function unsealVault(store: Store, seal: Seal): Promise<Vault> {
  const { cluster, rootKey } = await openRoot(store, seal);
  const keyring = await openKeyring(store, cluster, rootKey);
  wipe(rootKey);
  return openVault(store, cluster, keyring, []);
}

/**
 * Reads names and forgets caches: after unsealing, and when the store may be ahead of what memory knows.
 * @param report Told of each record that is read.
 * @returns The tables that were read.
 */
export async function loadVault(vault: Vault, report?: ReportRecord): Promise<readonly Table[]> {
  await vault.keys.load(report);
  vault.usage.forget();
  await vault.aliases.load(report);
  await vault.secrets.load(report);
  return ["key", "alias", "secret"];
}

function openVault(
  store: Store,
  cluster: Buffer,
  keyring: Buffer,
  genesis: ConstructorParameters<typeof Records>[3],
): Vault {
  const keys = loadKeyring(keyring);
  const records = new Records(store, cluster, keys, genesis);
  const vaultKeys = new Keys(records, keys.index, keys.check);
  const usage = new KeyUsage(records);
  return {
    records,
    keys: vaultKeys,
    usage,
    aliases: new Aliases(records, keys.index),
    secrets: new Secrets(records, keys.index),
    imports: new ImportKeys(records),
    backups: new KeyBackups(vaultKeys, usage, keys.backup),
    tokenKey: keys.token,
    auditKey: keys.audit,
  };
}
