import { BunkmsError } from "@bunkms/contract";
import type { DataCipher } from "../crypto/key-type.ts";
import type { KeyInfo } from "../vault/keys.ts";

/** How a key encrypts. @throws BunkmsError `wrong_key_usage` */
export function dataCipher(key: KeyInfo): DataCipher {
  const [cipher] = key.type.ciphers ?? [];
  if (key.purpose !== "encrypt" || cipher === undefined) {
    throw new BunkmsError("wrong_key_usage", `the key's purpose is ${key.purpose}, not encrypt`);
  }
  return cipher;
}
