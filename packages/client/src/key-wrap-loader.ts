/** Loads what wraps key material for an import: `wrapMaterial`. It needs Node's cryptography, which browsers lack. */
export function loadKeyWrap(): Promise<typeof import("./import/wrap-material.ts")> {
  return import("./import/wrap-material.ts");
}
