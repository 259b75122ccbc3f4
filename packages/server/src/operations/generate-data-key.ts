import { KeyService } from "@bunkms/contract";
import { encrypting } from "./data-cipher.ts";
import { dataKeyOrder, makeDataKey } from "./data-key.ts";
import { defineOperation } from "./operation.ts";

export const generateDataKey = defineOperation(KeyService.method.generateDataKey, async (context, request) => {
  const { result, plan } = await encrypting(context, dataKeyOrder(request.name, 1), (encryptor) =>
    makeDataKey(encryptor, request),
  );
  return { response: result, plan };
});
