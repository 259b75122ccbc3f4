import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const deleteSecret = defineOperation(SecretService.method.deleteSecret, async ({ vault }, { name }) => ({
  response: {},
  plan: await vault.secrets.delete(name),
}));
