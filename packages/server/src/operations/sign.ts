import { KeyService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { signatureAlgorithm, signatureInput } from "./signature.ts";

export const sign = defineOperation(KeyService.method.sign, async ({ vault }, request) => {
  const key = await vault.keys.get(request.name);
  const algorithm = signatureAlgorithm(key, request);
  const version = await vault.keys.openLatest(key);
  const signature = await algorithm.sign(version.key, signatureInput(request));
  return { response: { signatureB64: signature, version: version.version, algorithm: algorithm.name } };
});
