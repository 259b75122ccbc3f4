import { KeyService } from "@bunkms/contract";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm, signatureFields, signatureInput } from "./signature.ts";

export const sign = defineOperation(KeyService.method.sign, async (context, request) => {
  const { name, version: asked } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["sign"] }, async (use) => {
    const version = await use.version(asked, "make");
    const { algorithm, options } = chooseAlgorithm(use.key, request);
    const { key } = await use.open(version);
    const signature = await algorithm.sign(key, signatureInput(request), options);
    return { ...signatureFields(signature, request), version, algorithm: algorithm.name };
  });
  return { response: result, plan };
});
