import { KeyService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const rotateKey = defineOperation(KeyService.method.rotateKey, async (context, { name }) => {
  const plan = await context.vault.keys.rotate(name, context.now);
  return { response: await keyMessage(context, plan.result), plan };
});
