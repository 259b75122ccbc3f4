import { KeyLifeService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const enableKeyVersion = defineOperation(
  KeyLifeService.method.enableKeyVersion,
  async (context, { name, version }) => {
    const plan = await context.vault.keys.stepVersion(name, version, "enable", context.now);
    return { response: await keyMessage(context, plan.result), plan };
  },
);
