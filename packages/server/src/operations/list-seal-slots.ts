import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { sealSlotMessage } from "./seal-slot-message.ts";

export const listSealSlots = defineOperation(SealService.method.listSealSlots, async ({ vault, seals }) => ({
  response: { slots: (await vault.slots.list()).map((slot) => sealSlotMessage(slot, seals.slots)) },
}));
