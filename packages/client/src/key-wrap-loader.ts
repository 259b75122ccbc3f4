import type { KeyWrap } from "./runtime/runtime.ts";
import { loadRuntime } from "./runtime-loader.ts";

/**
 * Loads what wraps key material for an import: `wrapMaterial`. Not in browsers, whose cryptography has no AES key wrap with
 * padding. @throws RequestError there.
 */
export async function loadKeyWrap(): Promise<KeyWrap> {
  return (await loadRuntime()).loadKeyWrap();
}
