import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { sealStatusMessage } from "./seal-status-message.ts";

export const getSealStatus = defineOperation(SealService.method.getSealStatus, async ({ seals, introspection }) => ({
  response: sealStatusMessage(seals.status(), introspection),
}));
