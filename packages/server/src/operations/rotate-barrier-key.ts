import { SealService } from "@bunkms/contract";
import { thenDo } from "../vault/plan.ts";
import { defineOperation } from "./operation.ts";

export const rotateBarrierKey = defineOperation(SealService.method.rotateBarrierKey, async ({ vault, seals }) => {
  const plan = await vault.slots.rotateBarrier();
  return {
    response: { version: plan.result, inProgress: true },
    plan: thenDo(plan, () => seals.continueResealing()),
  };
});
