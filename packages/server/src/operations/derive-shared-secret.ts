import { KeyUseService } from "@bunkms/contract";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { agreementOf } from "./shared-secrets.ts";

export const deriveSharedSecret = defineOperation(KeyUseService.method.deriveSharedSecret, async (context, request) => {
  const order = { name: request.name, purposes: ["agree"], requires: agreementOf } as const;
  const { result, plan } = await useKey(context, order, async (use) => {
    const version = await use.version(request.version, "make");
    const { key } = await use.open(version);
    return { sharedSecretB64: await agreementOf(use.key).derive(key, request.publicKeyB64), version };
  });
  return { response: result, plan };
});
