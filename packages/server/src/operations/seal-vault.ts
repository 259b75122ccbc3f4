import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const sealVault = defineOperation(SealService.method.sealVault, async ({ seals }) => ({
  response: {},
  plan: await seals.seal(),
}));
