import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { secretVersionMessage } from "./secret-message.ts";

export const listSecretVersions = defineOperation(
  SecretService.method.listSecretVersions,
  async ({ vault }, { name }) => ({
    response: { versions: (await vault.secrets.versions(name)).map(secretVersionMessage) },
  }),
);
