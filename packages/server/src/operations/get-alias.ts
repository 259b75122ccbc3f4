import { AliasService } from "@bunkms/contract";
import { aliasMessage } from "./alias-message.ts";
import { defineOperation } from "./operation.ts";

export const getAlias = defineOperation(AliasService.method.getAlias, async ({ vault }, { alias }) => ({
  response: aliasMessage(await vault.aliases.get(alias)),
}));
