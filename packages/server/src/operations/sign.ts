import { KeyService } from "@bunkms/contract";
import { inBulk } from "../crypto/pool.ts";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm, signatureFields, signatureInput } from "./signature.ts";

export const sign = defineOperation(KeyService.method.sign, async (context, request) => {
  const { name, version: asked } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["sign"] }, async (use) => {
    const version = await use.version(asked, "make");
    const { algorithm, options } = chooseAlgorithm(use.key, request);
    const { key } = await use.open(version);
    const make = async () => algorithm.sign(key, signatureInput(request), options);
    // As work in bulk it leaves others a thread, and does not begin once nobody waits for it.
    const signature = await (algorithm.signsLong ? inBulk(context.ending, make) : make());
    return { ...signatureFields(signature, request), version, algorithm: algorithm.name };
  });
  return { response: result, plan };
});
