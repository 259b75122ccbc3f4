import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getBarrierRotation = defineOperation(SealService.method.getBarrierRotation, async ({ vault, seals }) => {
  const { inProgress, resealed, percent } = seals.resealing();
  return { response: { version: vault.slots.barrierVersion, inProgress, recordsResealed: resealed, percent } };
});
