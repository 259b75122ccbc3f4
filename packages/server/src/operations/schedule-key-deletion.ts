import { KeyLifeService } from "@bunkms/contract";
import { DEFAULT_WINDOW_DAYS } from "./deletion-window.ts";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const scheduleKeyDeletion = defineOperation(
  KeyLifeService.method.scheduleKeyDeletion,
  async (context, { name, windowDays }) => {
    const plan = await context.vault.keys.step(
      name,
      "schedule_deletion",
      context.now,
      windowDays || DEFAULT_WINDOW_DAYS,
    );
    return { response: await keyMessage(context, plan.result), plan };
  },
);
