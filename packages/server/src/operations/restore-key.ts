import { KeyTransferService } from "@bunkms/contract";
import { decodeBackup } from "../vault/backup-form.ts";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const restoreKey = defineOperation(KeyTransferService.method.restoreKey, async (context, { name, backup }) => {
  const plan = await context.vault.backups.restore(name, decodeBackup(backup), context.now);
  return { response: await keyMessage(context, plan.result), plan };
});
