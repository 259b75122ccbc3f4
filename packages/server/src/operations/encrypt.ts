import { KeyService } from "@bunkms/contract";
import { encodeText } from "../crypto/ciphertext.ts";
import { wipe } from "../crypto/kdf.ts";
import { additionalData } from "./binding.ts";
import { dataCipher } from "./data-cipher.ts";
import { defineOperation } from "./operation.ts";

export const encrypt = defineOperation(KeyService.method.encrypt, async ({ vault }, request) => {
  const key = await vault.keys.get(request.keyName);
  const cipher = dataCipher(key);
  const version = await vault.keys.openLatest(key);
  const aad = additionalData(request);
  const plaintext = Buffer.from(request.data.value ?? "");
  const encrypted = await cipher.encrypt(version, plaintext, aad);
  wipe(plaintext);
  return {
    response: {
      ciphertext: encodeText(encrypted.ciphertext),
      version: version.version,
      nonceB64: encrypted.nonce,
      dataB64: encrypted.data,
    },
  };
});
