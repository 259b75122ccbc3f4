import { KeyUseService } from "@bunkms/contract";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { encapsulationOf } from "./shared-secrets.ts";

export const decapsulate = defineOperation(KeyUseService.method.decapsulate, async (context, request) => {
  const order = { name: request.name, purposes: ["agree"], requires: encapsulationOf } as const;
  const { result, plan } = await useKey(context, order, async (use) => {
    const version = await use.version(request.version, "open");
    const { key } = await use.open(version);
    return { sharedSecretB64: encapsulationOf(use.key).decapsulate(key, request.encapsulationB64), version };
  });
  return { response: result, plan };
});
