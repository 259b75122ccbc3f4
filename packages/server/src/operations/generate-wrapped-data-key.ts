import { KeyService } from "@bunkms/contract";
import { wipe } from "../crypto/kdf.ts";
import { encrypting } from "./data-cipher.ts";
import { dataKeyOrder, makeDataKey } from "./data-key.ts";
import { defineOperation } from "./operation.ts";

export const generateWrappedDataKey = defineOperation(
  KeyService.method.generateWrappedDataKey,
  async (context, request) => {
    const { result, plan } = await encrypting(context, dataKeyOrder(request.name, 1), (encryptor) =>
      makeDataKey(encryptor, request),
    );
    const { plaintextB64, ciphertext, version } = result;
    wipe(plaintextB64);
    return { response: { ciphertext, version }, plan };
  },
);
