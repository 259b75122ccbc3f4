import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { secretMessage } from "./secret-message.ts";

export const putSecret = defineOperation(SecretService.method.putSecret, async ({ vault, now }, { name, data }) => {
  const plan = await vault.secrets.put(name, Buffer.from(data.value ?? ""), now);
  return { response: secretMessage(plan.result), plan };
});
