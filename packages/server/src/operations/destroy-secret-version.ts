import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { secretVersionMessage } from "./secret-message.ts";

export const destroySecretVersion = defineOperation(
  SecretService.method.destroySecretVersion,
  async ({ vault }, { name, version }) => {
    const plan = await vault.secrets.destroyVersion(name, version);
    return { response: secretVersionMessage(plan.result), plan };
  },
);
