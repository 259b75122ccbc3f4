import { KeyUseService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { rewrapping } from "./rewrapping.ts";

export const rewrap = defineOperation(KeyUseService.method.rewrap, async (context, request) => {
  const { result, plan } = await rewrapping(context, request.name, 1, (rewrapOne) => rewrapOne(request));
  return { response: result, plan };
});
