import { KeyTransferService } from "@bunkms/contract";
import { recipientFrom } from "../crypto/hpke.ts";
import { encodeBackup } from "../vault/backup-form.ts";
import { defineOperation } from "./operation.ts";

export const backupKey = defineOperation(
  KeyTransferService.method.backupKey,
  async ({ vault: { backups } }, { name, recipientPublicKeyB64 }) => {
    const recipient = recipientPublicKeyB64.length === 0 ? backups.own : recipientFrom(recipientPublicKeyB64);
    const plan = await backups.seal(name, recipient);
    const backup = encodeBackup(plan.result);
    return { response: { backup, recipientFingerprint: recipient.fingerprint.toString("hex") }, plan };
  },
);
