import { AliasService } from "@bunkms/contract";
import { aliasMessage } from "./alias-message.ts";
import { defineOperation } from "./operation.ts";

export const deleteAlias = defineOperation(AliasService.method.deleteAlias, async ({ vault }, { alias }) => {
  const plan = await vault.aliases.delete(alias);
  return { response: aliasMessage(plan.result), plan };
});
