import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getInitStatus = defineOperation(SealService.method.getInitStatus, async ({ seals }) => ({
  response: { initialized: seals.status().initialised },
}));
