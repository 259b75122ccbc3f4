import { KeyService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const getKey = defineOperation(KeyService.method.getKey, async ({ vault }, { name }) => {
  const key = await vault.keys.get(name);
  return { response: keyMessage({ key, versions: await vault.keys.versions(key) }) };
});
