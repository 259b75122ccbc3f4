import type { KeyBackup } from "./runtime/runtime.ts";
import { loadRuntime } from "./runtime-loader.ts";

/**
 * Loads what seals a key backup for a cluster: `sealKeyBackup`. Not in browsers, which lack its key encapsulation.
 * @throws RequestError there.
 */
export async function loadKeyBackup(): Promise<KeyBackup> {
  return (await loadRuntime()).loadKeyBackup();
}
