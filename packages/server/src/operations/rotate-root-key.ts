import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { sealSlotMessage } from "./seal-slot-message.ts";
import { checkedAfter } from "./slot-change.ts";

export const rotateRootKey = defineOperation(SealService.method.rotateRootKey, async ({ vault, seals, signal }) => {
  const plan = await vault.slots.rotateRoot((slot, psk) => seals.slots.sealFor(slot, psk), signal);
  return {
    response: { slots: plan.result.map((slot) => sealSlotMessage(slot, seals.slots)) },
    plan: checkedAfter(plan, seals.slots),
  };
});
