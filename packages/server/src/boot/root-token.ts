import type { IssuedRootToken } from "../operations/seal-control.ts";
import { SealFailure, SealUnavailable } from "../seal/seal.ts";
import type { Store } from "../store/store.ts";
import { openRoot, readSlots } from "../vault/root.ts";
import { isInitialised } from "../vault/vault.ts";
import type { SealSource } from "./configured-seals.ts";
import { type BesideStore, openSoundVault } from "./sound-vault.ts";
import { commitRootToken } from "./unseal.ts";

const TIMEOUT_MS = 30_000;

/**
 * Opens a vault with the first configured seal that can, and makes another root token, for who lost theirs.
 * @param ttlSeconds 0: it does not expire.
 * @throws Error when there is no vault, or only shares open it; SealFailure, SealUnavailable; what `openVault` throws.
 */
export async function makeRootToken(
  store: Store,
  seals: Pick<SealSource, "kinds" | "open">,
  ttlSeconds: number,
  beside: BesideStore = {},
): Promise<IssuedRootToken> {
  if (!(await isInitialised(store))) {
    throw new Error("there is no vault in this data folder yet: start the server first");
  }
  const slots = await readSlots(store);
  let failure: unknown;
  for (const kind of seals.kinds.filter((candidate) => slots.some((slot) => slot.kind === candidate))) {
    try {
      const opened = await openRoot(slots, await seals.open(kind), AbortSignal.timeout(TIMEOUT_MS));
      const { unsealed, accepted } = await openSoundVault(store, opened, beside, Date.now());
      for (const entry of accepted) {
        await unsealed.committer.submit(entry);
      }
      return await commitRootToken(unsealed, "system.new_root_token", ttlSeconds);
    } catch (error) {
      if (!(error instanceof SealFailure || error instanceof SealUnavailable)) {
        throw error;
      }
      failure ??= error;
    }
  }
  throw (
    failure ??
    new Error(
      `no configured seal has a slot of this vault (slots: ${slots.map(({ kind }) => kind).join(", ")}); ` +
        "with shares: start the server, unseal it, and `bunkms operator generate-root`",
    )
  );
}
