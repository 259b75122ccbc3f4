import { createHash, hash } from "node:crypto";

/** SHA-256 (FIPS 180-4) of the concatenated parts, 32 bytes. A single part is not copied, so that it may be secret. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const [only] = parts;
  return hash("sha256", only !== undefined && parts.length === 1 ? only : Buffer.concat(parts), "buffer");
}

/** SHA-256 (FIPS 180-4) of what comes in parts, 32 bytes. */
export async function sha256Of(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const running = createHash("sha256");
  for await (const part of parts) running.update(part);
  return running.digest();
}
