import { KeyUseService } from "@bunkms/contract";
import { equal } from "../crypto/kdf.ts";
import { useKey } from "./key-use.ts";
import { macKey } from "./mac-key.ts";
import { defineOperation } from "./operation.ts";
import { tryVersions } from "./versions-tried.ts";

export const verifyMac = defineOperation(KeyUseService.method.verifyMac, async (context, request) => {
  const { name, version, messageB64, macB64 } = request;
  const { result, plan } = await useKey(context, { name, purposes: ["mac"] }, (use) =>
    tryVersions(use, version, context, async (candidate) => {
      const { mac, key } = macKey(use.key, await use.open(candidate), request.context);
      return equal(mac.make(key, messageB64), macB64);
    }),
  );
  return { response: { valid: result !== 0, version: result }, plan };
});
