import { KeyBatchService } from "@bunkms/contract";
import { batchAnswer, runItems } from "./batch.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm } from "./signature.ts";
import { verifyOne } from "./verifying.ts";

export const verifyBatch = defineOperation(KeyBatchService.method.verifyBatch, async (context, request) => {
  const { name, version, items, encoding } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["sign"] }, async (use) => {
    if (version !== 0) {
      await use.version(version, "open", 0);
    }
    const chosen = chooseAlgorithm(use.key, request);
    return runItems(items, (item) => verifyOne(use, version, chosen, item, encoding));
  });
  return { response: batchAnswer(result, (i) => items[i]?.signatureJose || items[i]?.signatureB64), plan };
});
