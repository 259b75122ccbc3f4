import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SealSlotSchema } from "@bunkms/contract";
import type { SlotInfo } from "../vault/seal-slots.ts";
import type { SlotControl } from "./seal-control.ts";
import { timestamp } from "./timestamp.ts";

/** A slot as the contract's message. */
export function sealSlotMessage(
  slot: SlotInfo,
  control: Pick<SlotControl, "stateOf" | "shareCounts">,
): MessageInitShape<typeof SealSlotSchema> {
  const { id, kind, keyName, createdAt } = slot;
  const { shares, threshold } = control.shareCounts(slot);
  return {
    id,
    kind,
    keyName,
    createdAt: timestamp(createdAt),
    state: control.stateOf(slot),
    secretShares: shares,
    secretThreshold: threshold,
  };
}
