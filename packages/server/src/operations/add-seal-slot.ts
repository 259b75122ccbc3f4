import { SealService } from "@bunkms/contract";
import { thenDo } from "../vault/plan.ts";
import { defineOperation } from "./operation.ts";
import { sealSlotMessage } from "./seal-slot-message.ts";
import { shareRequest } from "./share-request.ts";
import { checkedAfter } from "./slot-change.ts";

export const addSealSlot = defineOperation(SealService.method.addSealSlot, async (context, request) => {
  const { vault, seals, now, signal } = context;
  const { seal, issued, made } = await seals.slots.newSeal(request.kind, shareRequest(request));
  const plan = thenDo(await vault.slots.add(seal, now, signal), made);
  return {
    response: { slot: sealSlotMessage(plan.result, seals.slots), shares: [...issued.texts] },
    plan: checkedAfter(plan, seals.slots),
  };
});
