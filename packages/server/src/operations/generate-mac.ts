import { KeyUseService } from "@bunkms/contract";
import { useKey } from "./key-use.ts";
import { macKey } from "./mac-key.ts";
import { defineOperation } from "./operation.ts";

export const generateMac = defineOperation(KeyUseService.method.generateMac, async (context, request) => {
  const { name, version: asked, messageB64 } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["mac"] }, async (use) => {
    const version = await use.version(asked, "make");
    const { mac, key } = macKey(use.key, await use.open(version), request.context);
    return { macB64: mac.make(key, messageB64), version, algorithm: mac.name };
  });
  return { response: result, plan };
});
