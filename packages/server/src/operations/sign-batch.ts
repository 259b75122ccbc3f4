import { BunkmsError, KeyBatchService } from "@bunkms/contract";
import { whenDone } from "../crypto/when-done.ts";
import { batchAnswer, memberOf, refuseBatch, runItems } from "./batch.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm, type SignedInput, signatureFields, signatureInput } from "./signature.ts";

/** Bytes of all signatures of a batch. SLH-DSA's have up to 50 KB, so that a short request could ask for 50 MB. */
const MOST_BYTES = 4 * 1024 * 1024;

export const signBatch = defineOperation(KeyBatchService.method.signBatch, async (context, request) => {
  const { name, version: asked, items } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["sign"] }, async (use) => {
    const version = await use.version(asked, "make", items.length);
    const { algorithm, options } = chooseAlgorithm(use.key, request);
    const { key } = await use.open(version);
    const signOne = (item: SignedInput) =>
      whenDone(algorithm.sign(key, signatureInput(item), options), (signature) => {
        refuseTooMany(items.length, signature.length);
        return { ...signatureFields(signature, request), version };
      });
    // One alone: how long signatures are is known once there is one.
    const first = await runItems(context.ending, items.slice(0, 1), signOne);
    return [...first, ...(await runItems(context.ending, items.slice(1), signOne))];
  });
  return { response: batchAnswer(result, (i) => memberOf(result[i], "signatureB64")), plan };
});

function refuseTooMany(count: number, signatureLength: number): void {
  if (count * signatureLength > MOST_BYTES) {
    const most = Math.floor(MOST_BYTES / signatureLength);
    const text = `items: at most ${most} in a batch with this algorithm, whose signatures have ${signatureLength} bytes`;
    refuseBatch(new BunkmsError("payload_too_large", text));
  }
}
