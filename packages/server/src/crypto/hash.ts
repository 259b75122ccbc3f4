import { hash } from "node:crypto";

/** SHA-256 (FIPS 180-4) of the concatenated parts, 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const [first] = parts;
  return hash("sha256", first !== undefined && parts.length === 1 ? first : Buffer.concat(parts), "buffer");
}
