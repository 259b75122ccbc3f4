import { KeyService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const rotateKey = defineOperation(KeyService.method.rotateKey, async ({ vault, now }, { name }) => {
  const plan = await vault.keys.rotate(name, now);
  return { response: keyMessage(plan.result), plan };
});
