import { isUtf8 } from "node:buffer";
import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { timestamp } from "./timestamp.ts";

export const getSecret = defineOperation(SecretService.method.getSecret, async ({ vault }, request) => {
  const plan = await vault.secrets.lend(request.name, request.version);
  const { name, value, version, createdAt, updatedAt } = plan.result;
  return {
    response: {
      name,
      version,
      createdAt: timestamp(createdAt),
      updatedAt: timestamp(updatedAt),
      valueB64: value,
      ...(isUtf8(value) ? { value: value.toString("utf8") } : {}),
    },
    plan,
  };
});
