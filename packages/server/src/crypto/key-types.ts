import type { KeyType } from "./key-type.ts";
import { AES_TYPES } from "./types/aes.ts";
import { CHACHA_TYPES } from "./types/chacha.ts";
import { COMPOSITE_ML_DSA_TYPE } from "./types/composite-ml-dsa.ts";
import { EC_TYPES } from "./types/ec.ts";
import { EDWARDS_TYPES } from "./types/edwards.ts";
import { HMAC_TYPES } from "./types/hmac.ts";
import { ML_DSA_TYPES } from "./types/ml-dsa.ts";
import { ML_KEM_TYPES } from "./types/ml-kem.ts";
import { RSA_TYPES } from "./types/rsa.ts";
import { SLH_DSA_TYPES } from "./types/slh-dsa.ts";
import { X_WING_TYPE } from "./types/x-wing.ts";
import { XDH_TYPES } from "./types/xdh.ts";

/** THE algorithm table. To add a key type, add a row in `types/`; nothing else may switch on its name. */
const TABLE: ReadonlyMap<string, KeyType> = new Map(
  [
    ...AES_TYPES,
    ...CHACHA_TYPES,
    ...RSA_TYPES,
    ...EC_TYPES,
    ...EDWARDS_TYPES,
    ...ML_DSA_TYPES,
    COMPOSITE_ML_DSA_TYPE,
    ...SLH_DSA_TYPES,
    ...HMAC_TYPES,
    ...XDH_TYPES,
    ...ML_KEM_TYPES,
    X_WING_TYPE,
  ].map((type) => [type.name, Object.freeze(type)]),
);

/** The row of a key type, or undefined for a name that is none. A Map, so that `__proto__` is a name like any other. */
export function findKeyType(name: string): KeyType | undefined {
  return TABLE.get(name);
}

/** The names of all key types; the first is the default. */
export function keyTypeNames(): string[] {
  return [...TABLE.keys()];
}

/** The format of a type's stored material. */
export function materialFormat({ materialFormat: given, loadPublic }: KeyType): "raw" | "pkcs8" {
  return given ?? (loadPublic === undefined ? "raw" : "pkcs8");
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
