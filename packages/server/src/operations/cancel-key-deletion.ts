import { KeyLifeService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const cancelKeyDeletion = defineOperation(KeyLifeService.method.cancelKeyDeletion, async (context, { name }) => {
  const plan = await context.vault.keys.step(name, "cancel_deletion", context.now);
  return { response: await keyMessage(context, plan.result), plan };
});
