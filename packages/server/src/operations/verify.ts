import { KeyService } from "@bunkms/contract";
import { useKey } from "./key-use.ts";
import { defineOperation } from "./operation.ts";
import { chooseAlgorithm } from "./signature.ts";
import { verifyOne } from "./verifying.ts";

export const verify = defineOperation(KeyService.method.verify, async (context, request) => {
  const { result, plan } = await useKey(context, { name: request.name, purposes: ["sign"] }, (use) =>
    verifyOne(use, request, chooseAlgorithm(use.key, request), request, context),
  );
  return { response: result, plan };
});
