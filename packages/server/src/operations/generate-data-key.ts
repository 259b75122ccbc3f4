import { KeyService } from "@bunkms/contract";
import { makeDataKey } from "./data-key.ts";
import { defineOperation } from "./operation.ts";

export const generateDataKey = defineOperation(KeyService.method.generateDataKey, async (context, request) => {
  const { plaintext, ciphertext, version } = await makeDataKey(context, request);
  return { response: { plaintextB64: plaintext, ciphertext, version } };
});
