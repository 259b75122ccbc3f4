import { BunkmsError, SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { sealStatusMessage } from "./seal-status-message.ts";

export const unseal = defineOperation(SealService.method.unseal, async (context, { key, reset, migrate }) => {
  const { seals, introspection, source } = context;
  if (migrate) {
    throw new BunkmsError("invalid_request", "migrate: seals are added and removed as slots here (bunkms slot add)");
  }
  if (key === "") {
    throw new BunkmsError(
      "invalid_share",
      reset
        ? "key: a reset needs a share too, so that no stranger can; without one, shares are forgotten after ten minutes"
        : "key: a share is needed",
    );
  }
  if (reset) {
    await seals.reset(key, source);
    return { response: sealStatusMessage(seals.status(), introspection) };
  }
  const opening = await seals.offer(key, source);
  if (opening === undefined) {
    return { response: sealStatusMessage(seals.status(), introspection) };
  }
  const { plan, recorder, result } = opening;
  return { response: sealStatusMessage(result, introspection), plan, recorder };
});
