import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { checkedAfter } from "./slot-change.ts";

export const removeSealSlot = defineOperation(SealService.method.removeSealSlot, async ({ vault, seals }, { id }) => ({
  response: {},
  plan: checkedAfter(await vault.slots.remove(id), seals.slots),
}));
