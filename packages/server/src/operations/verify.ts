import { KeyService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { signatureAlgorithm, signatureInput } from "./signature.ts";

/** How many versions are tried when the request names none. */
const TRIED_VERSIONS = 100;

export const verify = defineOperation(KeyService.method.verify, async ({ vault }, request) => {
  const key = await vault.keys.get(request.name);
  const algorithm = signatureAlgorithm(key, request);
  const input = signatureInput(request);
  const newest = request.version || key.latestVersion;
  const oldest = request.version || Math.max(1, newest - TRIED_VERSIONS + 1);
  for (let version = newest; version >= oldest; version--) {
    if (await algorithm.verify(await vault.keys.publicKey(key, version), input, request.signatureB64)) {
      return { response: { valid: true, version } };
    }
  }
  return { response: { valid: false, version: 0 } };
});
