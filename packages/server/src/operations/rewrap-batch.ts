import { KeyBatchService } from "@bunkms/contract";
import { batchAnswer, memberOf, runItems } from "./batch.ts";
import { defineOperation } from "./operation.ts";
import { rewrapping } from "./rewrapping.ts";

export const rewrapBatch = defineOperation(KeyBatchService.method.rewrapBatch, async (context, { name, items }) => {
  const { result, plan } = await rewrapping(context, name, items.length, (rewrapOne) =>
    runItems(context.ending, items, rewrapOne),
  );
  return { response: batchAnswer(result, (i) => memberOf(result[i], "ciphertext")), plan };
});
