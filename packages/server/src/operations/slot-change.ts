import { type Plan, thenDo } from "../vault/plan.ts";
import type { SlotControl } from "./seal-control.ts";

/** The plan of a change of slots, after which what is known of their seals is found out anew. */
export function checkedAfter<T>(plan: Plan<T>, slots: Pick<SlotControl, "checkSoon">): Plan<T> {
  return thenDo(plan, () => slots.checkSoon());
}
