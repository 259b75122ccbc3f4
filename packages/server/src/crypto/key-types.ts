import type { KeyType } from "./key-type.ts";
import { AES_TYPES } from "./types/aes.ts";
import { EC_TYPES } from "./types/ec.ts";
import { RSA_TYPES } from "./types/rsa.ts";

/** THE algorithm table. To add a key type, add a row in `types/`; nothing else may switch on its name. */
const TABLE: ReadonlyMap<string, KeyType> = new Map(
  [...AES_TYPES, ...RSA_TYPES, ...EC_TYPES].map((type) => [type.name, Object.freeze(type)]),
);

/** The row of a key type, or undefined for a name that is none. A Map, so that `__proto__` is a name like any other. */
export function findKeyType(name: string): KeyType | undefined {
  return TABLE.get(name);
}

/** The names of all key types; the first is the default. */
export function keyTypeNames(): string[] {
  return [...TABLE.keys()];
}

/**
 * Drops whatever this process has derived from one key, or from all keys (when the vault is sealed). To be called when a
 * key is disabled or destroyed.
 *
 * @param keyId The key's id, 16 bytes.
 */
export function forgetKey(keyId?: Uint8Array): void {
  for (const type of TABLE.values()) {
    type.forget?.(keyId);
  }
}
