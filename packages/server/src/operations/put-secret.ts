import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { secretMessage } from "./secret-message.ts";

export const putSecret = defineOperation(SecretService.method.putSecret, async ({ vault, now }, { name, data }) => {
  const value = data.case === "value" ? Buffer.from(data.value) : (data.value ?? new Uint8Array());
  const plan = await vault.secrets.put(name, value, now);
  return { response: secretMessage(plan.result), plan };
});
