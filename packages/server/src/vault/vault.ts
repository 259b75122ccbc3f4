import type { KeyObject } from "node:crypto";
import { wipe } from "../crypto/kdf.ts";
import { SealFailure } from "../seal/seal.ts";
import type { Store, Table } from "../store/store.ts";
import { Aliases } from "./aliases.ts";
import { Attachments } from "./attachments.ts";
import { AuditRetention } from "./audit-retention.ts";
import { Idempotency } from "./idempotency.ts";
import { ImportKeys } from "./import-keys.ts";
import { KeyBackups } from "./key-backups.ts";
import { KeyUsage } from "./key-usage.ts";
import { type Keyring, loadKeyring, newKeyring } from "./keyring.ts";
import { keyringChange, readKeyring, wipeKeyring } from "./keyring-record.ts";
import { Keys } from "./keys.ts";
import { firstLogKey, type HeldLogKey, LogKeys } from "./log-keys.ts";
import { type Change, Records, type ReportRecord } from "./records.ts";
import { hasRoot, newRoot, type OpenedRoot, type Root, type SlotSeal, wrapSlot } from "./root.ts";
import { entryOf, isListed, SealSlots, slotChange } from "./seal-slots.ts";
import { Secrets } from "./secrets.ts";

/** An unsealed vault. */
export interface Vault {
  readonly root: Root;
  readonly slots: SealSlots;
  readonly records: Records;
  readonly keys: Keys;
  readonly usage: KeyUsage;
  readonly aliases: Aliases;
  readonly secrets: Secrets;
  readonly imports: ImportKeys;
  readonly backups: KeyBackups;
  readonly logKeys: LogKeys;
  readonly retention: AuditRetention;
  readonly idempotency: Idempotency;
  readonly attachments: Attachments;
  readonly tokenKey: KeyObject;
  readonly auditKey: KeyObject;
  readonly auditIndexKey: KeyObject;
  readonly witnessKey: KeyObject;
}

/** Whether the store holds a vault, sealed or not. */
export async function isInitialised(store: Store): Promise<boolean> {
  return hasRoot(store);
}

/**
 * Makes a new vault: cluster id, root key wrapped by each of the seals, keyring. It reaches the store with the first
 * commit, which is all or nothing: a crash before leaves no vault.
 * @param seals Puts at least one seal into the list, given the cluster's id.
 * @throws SealUnavailable
 */
export async function createVault(
  store: Store,
  seals: (cluster: Buffer, into: SlotSeal[]) => Promise<void>,
  now: number,
  signal: AbortSignal,
): Promise<Vault> {
  const root = newRoot();
  const content = newKeyring();
  const made: SlotSeal[] = [];
  try {
    const genesis: Change[] = [];
    await seals(root.cluster, made);
    for (const seal of made) {
      const slot = await wrapSlot(root.cluster, root.key, seal, now, signal);
      content.slots.push(entryOf(slot, seal.psk));
      genesis.push(slotChange(slot, null));
    }
    const logKey = firstLogKey(root.cluster, now);
    genesis.push(keyringChange(root.cluster, root.key, content, null), logKey.change);
    return openVault(store, root, loadKeyring(content), { changes: genesis, logKey: logKey.held });
  } catch (error) {
    root.wipe();
    throw error;
  } finally {
    wipeKeyring(content);
    wipe(...made.map(({ psk }) => psk));
  }
}

/** A vault that a slot opened, and which mutation wrote the keyring that it was opened by. */
export interface UnsealedVault {
  readonly vault: Vault;
  readonly keyringVersion: number;
}

/**
 * Unseals the vault of a store. Takes the root key over.
 * @throws SealFailure when the slot was removed; RecordDamaged.
 */
export async function unsealVault(store: Store, { root, slot }: OpenedRoot): Promise<UnsealedVault> {
  try {
    const { content, ref } = await readKeyring(store, root);
    try {
      if (!isListed(content, slot)) {
        throw new SealFailure(
          `this ${slot.kind} seal slot was removed from the vault, or changed; nothing was changed`,
        );
      }
      return { vault: openVault(store, root, loadKeyring(content)), keyringVersion: ref.version };
    } finally {
      wipeKeyring(content);
    }
  } catch (error) {
    root.wipe();
    throw error;
  }
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
  await vault.logKeys.load(report);
  await vault.retention.load(report);
  await vault.attachments.load(report);
  return ["key", "alias", "secret", "audit-key", "audit-retention", "attachment"];
}

/** What a new vault begins with. */
interface Genesis {
  readonly changes: readonly Change[];
  readonly logKey: HeldLogKey;
}

function openVault(store: Store, root: Root, keys: Keyring, genesis?: Genesis): Vault {
  const records = new Records(store, root.cluster, keys, genesis?.changes);
  const vaultKeys = new Keys(records, keys.index, keys.check);
  const usage = new KeyUsage(records);
  return {
    root,
    slots: new SealSlots(store, records, root),
    records,
    keys: vaultKeys,
    usage,
    aliases: new Aliases(records, keys.index),
    secrets: new Secrets(records, keys.index),
    imports: new ImportKeys(records),
    backups: new KeyBackups(vaultKeys, usage, keys.backup),
    logKeys: new LogKeys(records, root.cluster, genesis && [genesis.logKey]),
    retention: new AuditRetention(records),
    idempotency: new Idempotency(records, keys.idempotency),
    attachments: new Attachments(records, keys.index),
    tokenKey: keys.token,
    auditKey: keys.audit,
    auditIndexKey: keys.auditIndex,
    witnessKey: keys.witness,
  };
}
