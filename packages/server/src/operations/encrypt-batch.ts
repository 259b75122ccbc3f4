import { KeyBatchService } from "@bunkms/contract";
import { encodeText } from "../crypto/ciphertext.ts";
import { NonceLot } from "../crypto/nonce-lot.ts";
import { whenDone } from "../crypto/when-done.ts";
import { batchAnswer, memberOf, runItems } from "./batch.ts";
import { additionalData } from "./binding.ts";
import { encrypting } from "./data-cipher.ts";
import { defineOperation } from "./operation.ts";
import { withPlaintext } from "./plaintext.ts";

export const encryptBatch = defineOperation(KeyBatchService.method.encryptBatch, async (context, request) => {
  const { items } = request;
  const order = { ...request, purposes: ["encrypt"], count: items.length } as const;
  const { result, plan } = await encrypting(context, order, ({ version, encrypt }) => {
    const nonces = new NonceLot(items.length);
    return runItems(context.ending, items, (item, i) =>
      withPlaintext(item, (plaintext) =>
        whenDone(
          encrypt(plaintext, additionalData(item), (nonce) => nonces.fill(i, nonce)),
          ({ ciphertext }) => ({ ciphertext: encodeText(ciphertext), version }),
        ),
      ),
    );
  });
  return { response: batchAnswer(result, (i) => memberOf(result[i], "ciphertext")), plan };
});
