import { KeyLifeService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const disableKey = defineOperation(KeyLifeService.method.disableKey, async (context, { name }) => {
  const plan = await context.vault.keys.step(name, "disable", context.now);
  return { response: await keyMessage(context, plan.result), plan };
});
