import { KeyBatchService } from "@bunkms/contract";
import { batchAnswer, memberOf, runItems } from "./batch.ts";
import { useKey } from "./key-use.ts";
import { macKey } from "./mac-key.ts";
import { defineOperation } from "./operation.ts";

export const generateMacBatch = defineOperation(KeyBatchService.method.generateMacBatch, async (context, request) => {
  const { name, version: asked, items } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["mac"] }, async (use) => {
    const version = await use.version(asked, "make", items.length);
    const opened = await use.open(version);
    return runItems(context.ending, items, (item) => {
      const { mac, key } = macKey(use.key, opened, item.context);
      return { macB64: mac.make(key, item.messageB64), version };
    });
  });
  return { response: batchAnswer(result, (i) => memberOf(result[i], "macB64")), plan };
});
