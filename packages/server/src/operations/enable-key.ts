import { KeyLifeService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const enableKey = defineOperation(KeyLifeService.method.enableKey, async (context, { name }) => {
  const plan = await context.vault.keys.step(name, "enable", context.now);
  return { response: await keyMessage(context, plan.result), plan };
});
