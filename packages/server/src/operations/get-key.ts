import { KeyService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

export const getKey = defineOperation(KeyService.method.getKey, async (context, { name }) => {
  const { keys } = context.vault;
  const key = await keys.get(name);
  return { response: await keyMessage(context, { key, versions: await keys.versions(key) }) };
});
