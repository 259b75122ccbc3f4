import type { ArchiveFolder } from "../audit/archive-folder.ts";
import { ownEntry } from "../audit/entry.ts";
import type { Store } from "../store/store.ts";
import type { OpenedRoot } from "../vault/root.ts";
import { openVault, type Unsealed } from "./unseal.ts";
import { positionOf } from "./vault-care.ts";
import type { Witness } from "./witness.ts";

/** What lies beside the store. */
export interface BesideStore {
  /** Remembers how far the vault is. */
  readonly witness?: Witness | undefined;
  /** Where audit entries are archived. */
  readonly archive?: ArchiveFolder | undefined;
}

/**
 * Opens a vault, unless it is an older one than the witness file knows and the operator does not accept that.
 * @returns The vault, and the audit entries of what was accepted: to be recorded before anything else.
 * @throws what `openVault` throws. No key is left in memory then.
 */
export async function openSoundVault(
  store: Store,
  opened: OpenedRoot,
  { witness, archive }: BesideStore,
  now: number,
): Promise<{ readonly unsealed: Unsealed; readonly accepted: readonly Buffer[] }> {
  const unsealed = await openVault(store, opened, archive);
  const { vault } = unsealed;
  try {
    const isOlder = witness?.check(vault, positionOf(unsealed)) ?? false;
    const entry = ownEntry("system.accept_rollback", `generation/${vault.records.generation}`, now);
    return { unsealed, accepted: isOlder ? [entry] : [] };
  } catch (error) {
    vault.root.wipe();
    throw error;
  }
}
