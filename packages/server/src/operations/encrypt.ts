import { KeyService } from "@bunkms/contract";
import { encodeText } from "../crypto/ciphertext.ts";
import { additionalData } from "./binding.ts";
import { dataCipher } from "./data-cipher.ts";
import { defineOperation } from "./operation.ts";

export const encrypt = defineOperation(KeyService.method.encrypt, async ({ vault }, request) => {
  const key = await vault.keys.get(request.keyName);
  const cipher = dataCipher(key);
  const version = await vault.keys.openLatest(key);
  const { data } = request;
  const plaintext = data.case === "plaintext" ? Buffer.from(data.value) : (data.value ?? new Uint8Array());
  const encrypted = cipher.encrypt(version, plaintext, additionalData(request));
  return {
    response: {
      ciphertext: encodeText(encrypted.ciphertext),
      version: version.version,
      nonceB64: encrypted.nonce,
      dataB64: encrypted.data,
    },
  };
});
