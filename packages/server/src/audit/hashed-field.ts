import type { KeyObject } from "node:crypto";
import { macHex } from "../crypto/kdf.ts";

/**
 * What the log has in the place of a value that is recorded hashed (spec/audit.md): HMAC-SHA-256 over the field's name, a
 * zero byte and the value, so that equal values of different fields differ.
 */
export function hashedField(key: KeyObject, name: string, value: Uint8Array | string): string {
  return `hmac-sha256:${macHex(key, `${name}\0`, value)}`;
}
