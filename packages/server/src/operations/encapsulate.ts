import { KeyUseService } from "@bunkms/contract";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { encapsulationOf } from "./shared-secrets.ts";

export const encapsulate = defineOperation(KeyUseService.method.encapsulate, async (context, request) => {
  const order = { name: request.name, purposes: ["agree"], requires: encapsulationOf } as const;
  const { result, plan } = await useKey(context, order, async (use) => {
    const version = await use.version(request.version, "make");
    const { sharedSecret, ciphertext } = encapsulationOf(use.key).encapsulate(await use.publicKey(version));
    return { sharedSecretB64: sharedSecret, encapsulationB64: ciphertext, version };
  });
  return { response: result, plan };
});
