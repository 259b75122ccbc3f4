import { wipe } from "../crypto/kdf.ts";
import { secretKey } from "../crypto/keys.ts";
import { XaesKey } from "../crypto/xaes.ts";
import { type Seal, SealFailure } from "./seal.ts";

/**
 * The seal whose wrapping key is the master key from the environment or a file: XAES-256-GCM (C2SP) under it.
 * @param masterKey 32 bytes; taken over and zeroed.
 */
export function envSeal(masterKey: Buffer): Seal {
  return keySeal("env", "the master key", masterKey);
}

/**
 * The seal whose wrapping key lies in a file of its own, beside the master key or without one.
 * @param key 32 bytes; taken over and zeroed.
 */
export function fileSeal(key: Buffer): Seal {
  return keySeal("file", "the seal's key file", key);
}

function keySeal(kind: string, keyName: string, wrappingKey: Buffer): Seal {
  const key = new XaesKey(secretKey(wrappingKey));
  wipe(wrappingKey);
  return {
    kind,
    keyName,
    async wrap(rootKey, context) {
      return key.seal(rootKey, context);
    },
    async unwrap(wrapped, context) {
      try {
        return key.open(wrapped, context);
      } catch (cause) {
        throw new SealFailure(`${keyName} is not the one that this data folder was made with`, { cause });
      }
    },
    async close() {},
  };
}
