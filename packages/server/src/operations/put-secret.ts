import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { secretMessage } from "./secret-message.ts";

export const putSecret = defineOperation(SecretService.method.putSecret, async ({ vault, now }, request) => {
  const { name, data, ifVersion, maxVersions } = request;
  const plan = await vault.secrets.put(name, Buffer.from(data.value ?? ""), now, { ifVersion, maxVersions });
  return { response: secretMessage(plan.result), plan };
});
