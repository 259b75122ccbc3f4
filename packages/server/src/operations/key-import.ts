import { wipe } from "../crypto/kdf.ts";
import { requireImportable } from "../vault/import-keys.ts";
import type { KeyInfo } from "../vault/key-info.ts";
import type { KeyWithVersions } from "../vault/keys.ts";
import type { Plan } from "../vault/plan.ts";
import type { CallContext } from "./operation.ts";

/**
 * What brings in material as the next version of a key, once the key's type has found it to be of its kind.
 * @param format `raw` or `pkcs8`, by the contract.
 * @param material Stays its caller's.
 * @throws BunkmsError `invalid_key_material` with the reason; `invalid_request`, `wrong_key_state`
 */
export async function importMaterial(
  { vault, now }: CallContext,
  key: KeyInfo,
  format: string,
  material: Uint8Array,
): Promise<Plan<KeyWithVersions>> {
  requireImportable(key);
  const accepted = key.type.accept(format === "raw" ? "raw" : "pkcs8", material);
  try {
    return await vault.keys.importVersion(key.name, accepted, now);
  } catch (error) {
    wipe(accepted.material);
    throw error;
  }
}
