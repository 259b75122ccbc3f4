import { AliasService } from "@bunkms/contract";
import { refuseDestroyed } from "../vault/key-life.ts";
import { aliasMessage } from "./alias-message.ts";
import { defineOperation } from "./operation.ts";

export const setAlias = defineOperation(AliasService.method.setAlias, async ({ vault, now }, { alias, keyName }) => {
  refuseDestroyed((await vault.keys.get(keyName)).state, "the key");
  const plan = await vault.aliases.set(alias, keyName, now);
  return { response: aliasMessage(plan.result), plan };
});
