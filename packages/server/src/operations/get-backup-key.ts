import { KeyTransferService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getBackupKey = defineOperation(KeyTransferService.method.getBackupKey, async ({ vault }) => {
  const { spki, fingerprint } = vault.backups.own;
  return { response: { publicKeyB64: spki, fingerprint: fingerprint.toString("hex") } };
});
