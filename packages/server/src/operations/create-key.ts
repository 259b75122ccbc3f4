import { KeyService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

const DEFAULT_TYPE = "aes-256";

export const createKey = defineOperation(KeyService.method.createKey, async ({ vault, now }, { name, type }) => {
  const plan = await vault.keys.create(name, type || DEFAULT_TYPE, now);
  return { response: keyMessage(plan.result), plan };
});
