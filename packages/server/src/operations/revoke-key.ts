import { KeyLifeService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const revokeKey = defineOperation(KeyLifeService.method.revokeKey, async ({ vault, now }, { name }) => {
  const plan = await vault.keys.step(name, "disable", now);
  return { response: { status: "revoked", name }, plan };
});
