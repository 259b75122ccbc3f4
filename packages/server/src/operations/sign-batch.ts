import { KeyBatchService } from "@bunkms/contract";
import { batchAnswer, memberOf, runItems } from "./batch.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm, signatureFields, signatureInput } from "./signature.ts";

export const signBatch = defineOperation(KeyBatchService.method.signBatch, async (context, request) => {
  const { name, version: asked, items } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["sign"] }, async (use) => {
    const version = await use.version(asked, "make", items.length);
    const { algorithm, options } = chooseAlgorithm(use.key, request);
    const { key } = await use.open(version);
    return runItems(items, async (item) => {
      const signature = await algorithm.sign(key, signatureInput(item), options);
      return { ...signatureFields(signature, request), version };
    });
  });
  return { response: batchAnswer(result, (i) => memberOf(result[i], "signatureB64")), plan };
});
