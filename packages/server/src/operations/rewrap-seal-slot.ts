import { SealService } from "@bunkms/contract";
import { thenDo } from "../vault/plan.ts";
import { defineOperation } from "./operation.ts";
import { sealSlotMessage } from "./seal-slot-message.ts";
import { shareRequest } from "./share-request.ts";
import { checkedAfter } from "./slot-change.ts";

export const rewrapSealSlot = defineOperation(SealService.method.rewrapSealSlot, async (context, request) => {
  const { vault, seals, signal } = context;
  const slot = await vault.slots.find(request.id);
  const asked = shareRequest(request);
  const before = seals.slots.shareCounts(slot);
  const { seal, issued, made } = await seals.slots.renewedSeal(slot.kind, {
    shares: asked.shares || before.shares,
    threshold: asked.threshold || before.threshold,
    recipients: asked.recipients,
  });
  const plan = thenDo(await vault.slots.rewrap(request.id, seal, signal), made);
  return {
    response: { slot: sealSlotMessage(plan.result, seals.slots), shares: [...issued.texts] },
    plan: checkedAfter(plan, seals.slots),
  };
});
