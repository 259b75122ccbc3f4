import { BunkmsError, KeyBatchService } from "@bunkms/contract";
import { batchAnswer, refuseBatch, runItems } from "./batch.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm } from "./signature.ts";
import { verifyOne } from "./verifying.ts";

/** Signatures that a batch which names no version may have checked: four versions for each of as many items as there can be. */
const MOST_TRIES = 4000;

export const verifyBatch = defineOperation(KeyBatchService.method.verifyBatch, async (context, request) => {
  const { name, version, items } = request;
  const search = { ending: context.ending, onTry: limitedTries() };
  const { result, plan } = await useKey(context, { name, purposes: ["sign"] }, async (use) => {
    if (version !== 0) {
      await use.version(version, "open", 0);
    }
    const chosen = chooseAlgorithm(use.key, request);
    return runItems(context.ending, items, (item) => verifyOne(use, request, chosen, item, search));
  });
  return { response: batchAnswer(result, (i) => items[i]?.signatureJose || items[i]?.signatureB64), plan };
});

/** Refuses the batch once it has cost too much: its items times the key's versions could be a hundred thousand. */
function limitedTries(): () => void {
  let tries = 0;
  return () => {
    tries += 1;
    if (tries > MOST_TRIES) {
      const text = `version: name the one that signed; without it a batch tries at most ${MOST_TRIES} versions in all`;
      refuseBatch(new BunkmsError("invalid_request", text));
    }
  };
}
