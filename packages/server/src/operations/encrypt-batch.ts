import { KeyBatchService } from "@bunkms/contract";
import { encodeText } from "../crypto/ciphertext.ts";
import { batchAnswer, memberOf, runItems } from "./batch.ts";
import { additionalData } from "./binding.ts";
import { encrypting } from "./data-cipher.ts";
import { defineOperation } from "./operation.ts";
import { withPlaintext } from "./plaintext.ts";

export const encryptBatch = defineOperation(KeyBatchService.method.encryptBatch, async (context, request) => {
  const { items } = request;
  const order = { ...request, purposes: ["encrypt"], count: items.length } as const;
  const { result, plan } = await encrypting(context, order, ({ version, encrypt }) =>
    runItems(context.signal, items, (item) =>
      withPlaintext(item, async (plaintext) => {
        const { ciphertext } = await encrypt(plaintext, additionalData(item));
        return { ciphertext: encodeText(ciphertext), version };
      }),
    ),
  );
  return { response: batchAnswer(result, (i) => memberOf(result[i], "ciphertext")), plan };
});
