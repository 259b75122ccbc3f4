import type { KeyObject } from "node:crypto";
import { mac } from "../crypto/kdf.ts";

/**
 * The check value of a key version's material: HMAC-SHA-256 of key id, version (4 bytes, big-endian) and material, 32
 * bytes. It stays when the material is destroyed: what comes back out of a backup, which nobody vouches for, must be the
 * same. It tells nothing of the material to whoever has not the vault's keys.
 */
export function materialCheck(key: KeyObject, id: Uint8Array, version: number, material: Uint8Array): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(version);
  return mac(key, id, number, material);
}
