import { BunkmsError, KeyBatchService } from "@bunkms/contract";
import { whenDone } from "../crypto/when-done.ts";
import { batchAnswer, memberOf, refuseBatch, runItems } from "./batch.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm, type SignedInput, signatureFields, signatureInput } from "./signature.ts";

/**
 * Bytes of a batch's answer as Protobuf: what gRPC's clients take if nothing else is said. SLH-DSA's signatures have up to 50 KB, so that
 * a short request could ask for 50 MB.
 */
const MOST_BYTES = 4 * 1024 * 1024;
/** At most so many of them are count and digest, and of each result what is not the signature. */
const OTHER_BYTES = 128;
const OTHER_BYTES_OF_RESULT = 24;

export const signBatch = defineOperation(KeyBatchService.method.signBatch, async (context, request) => {
  const { name, version: asked, items } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["sign"] }, async (use) => {
    const version = await use.version(asked, "make", items.length);
    const { algorithm, options } = chooseAlgorithm(use.key, request);
    const { key } = await use.open(version);
    const signOne = (item: SignedInput) =>
      whenDone(algorithm.sign(key, signatureInput(item), options), (signature) => {
        const fields = signatureFields(signature, request);
        refuseTooMany(items.length, fields);
        return { ...fields, version };
      });
    // One alone: how long signatures are is known once there is one.
    const first = await runItems(context.ending, items.slice(0, 1), signOne);
    return [...first, ...(await runItems(context.ending, items.slice(1), signOne))];
  });
  return { response: batchAnswer(result, (i) => memberOf(result[i], "signatureB64")), plan };
});

function refuseTooMany(count: number, { signatureB64, signatureJose }: ReturnType<typeof signatureFields>): void {
  const ofResult = signatureB64.length + signatureJose.length + OTHER_BYTES_OF_RESULT;
  const most = Math.floor((MOST_BYTES - OTHER_BYTES) / ofResult);
  if (count > most) {
    const text = `items: at most ${most} in a batch with this algorithm, whose signatures have ${signatureB64.length} bytes`;
    refuseBatch(new BunkmsError("payload_too_large", text));
  }
}
