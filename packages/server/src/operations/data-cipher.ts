import { BunkmsError } from "@bunkms/contract";
import type { DataCipher } from "../crypto/key-type.ts";
import type { KeyInfo } from "../vault/keys.ts";

/** How a key encrypts. @throws BunkmsError `wrong_key_usage` */
export function dataCipher(key: KeyInfo): DataCipher {
  if (key.type.purpose !== "encrypt" || key.type.cipher === undefined) {
    throw new BunkmsError(
      "wrong_key_usage",
      `the key is for ${key.type.purpose === "sign" ? "signing" : "other uses"}, not for encrypting`,
    );
  }
  return key.type.cipher;
}
