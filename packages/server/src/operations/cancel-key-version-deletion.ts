import { KeyLifeService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const cancelKeyVersionDeletion = defineOperation(
  KeyLifeService.method.cancelKeyVersionDeletion,
  async (context, { name, version }) => {
    const plan = await context.vault.keys.stepVersion(name, version, "cancel_deletion", context.now);
    return { response: await keyMessage(context, plan.result), plan };
  },
);
