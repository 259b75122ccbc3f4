import { isUtf8 } from "node:buffer";
import { KeyService } from "@bunkms/contract";
import { decodeText, parseHeader } from "../crypto/ciphertext.ts";
import { additionalData } from "./binding.ts";
import { dataCipher } from "./data-cipher.ts";
import { defineOperation } from "./operation.ts";

export const decrypt = defineOperation(KeyService.method.decrypt, async ({ vault }, request) => {
  const key = await vault.keys.get(request.keyName);
  const cipher = dataCipher(key);
  const aad = additionalData(request);
  const ciphertext = decodeText(request.ciphertext);
  const version = await vault.keys.openForDecrypting(key, parseHeader(ciphertext));
  const plaintext = await cipher.decrypt(version, ciphertext, aad);
  return {
    response: {
      plaintextB64: plaintext,
      ...(isUtf8(plaintext) ? { plaintext: plaintext.toString("utf8") } : {}),
      version: version.version,
    },
  };
});
