import { KeyLifeService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const updateKey = defineOperation(KeyLifeService.method.updateKey, async (context, request) => {
  const plan = await context.vault.keys.update(request.name, request);
  return { response: await keyMessage(context, plan.result), plan };
});
