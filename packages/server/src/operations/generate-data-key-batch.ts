import { KeyBatchService } from "@bunkms/contract";
import { batchAnswer, memberOf, runItems } from "./batch.ts";
import { encrypting } from "./data-cipher.ts";
import { dataKeyOrder, makeDataKey } from "./data-key.ts";
import { defineOperation } from "./operation.ts";

export const generateDataKeyBatch = defineOperation(
  KeyBatchService.method.generateDataKeyBatch,
  async (context, { name, items }) => {
    const { result, plan } = await encrypting(context, dataKeyOrder(name, items.length), (encryptor) =>
      runItems(context.ending, items, (item) => makeDataKey(encryptor, item)),
    );
    return { response: batchAnswer(result, (i) => memberOf(result[i], "ciphertext")), plan };
  },
);
