import { KeyLifeService } from "@bunkms/contract";
import { DEFAULT_WINDOW_DAYS } from "./deletion-window.ts";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const scheduleKeyVersionDeletion = defineOperation(
  KeyLifeService.method.scheduleKeyVersionDeletion,
  async (context, { name, version, windowDays }) => {
    const plan = await context.vault.keys.stepVersion(
      name,
      version,
      "schedule_deletion",
      context.now,
      windowDays || DEFAULT_WINDOW_DAYS,
    );
    return { response: await keyMessage(context, plan.result), plan };
  },
);
