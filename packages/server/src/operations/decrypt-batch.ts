import { KeyBatchService } from "@bunkms/contract";
import { whenDone } from "../crypto/when-done.ts";
import { batchAnswer, runItems } from "./batch.ts";
import { additionalData } from "./binding.ts";
import { decrypting } from "./data-cipher.ts";
import { decrypted } from "./decrypt.ts";
import { defineOperation } from "./operation.ts";

export const decryptBatch = defineOperation(
  KeyBatchService.method.decryptBatch,
  async (context, { keyName, items }) => {
    const { result, plan } = await decrypting(context, keyName, (decryptOne) =>
      runItems(context.ending, items, (item) =>
        whenDone(
          decryptOne(item.ciphertext, () => additionalData(item)),
          decrypted,
        ),
      ),
    );
    return { response: batchAnswer(result, (i) => items[i]?.ciphertext), plan };
  },
);
