import { KeyService } from "@bunkms/contract";
import { wipe } from "../crypto/kdf.ts";
import { makeDataKey } from "./data-key.ts";
import { defineOperation } from "./operation.ts";

export const generateWrappedDataKey = defineOperation(
  KeyService.method.generateWrappedDataKey,
  async (context, request) => {
    const { plaintext, ciphertext, version } = await makeDataKey(context, request);
    wipe(plaintext);
    return { response: { ciphertext, version } };
  },
);
