import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getLeader = defineOperation(SealService.method.getLeader, async ({ seals }) => {
  const { state } = seals.status();
  return { response: { isSelf: state === "unsealed" || state === "degraded" } };
});
