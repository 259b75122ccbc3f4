import { AliasService } from "@bunkms/contract";
import { aliasMessage } from "./alias-message.ts";
import { defineOperation } from "./operation.ts";
import { pageSize, pageStart, takePage } from "./paging.ts";

export const listAliases = defineOperation(AliasService.method.listAliases, async ({ vault }, request) => {
  const size = pageSize(request);
  const aliases = await vault.aliases.list(request.prefix, request.keyName, pageStart(request), size + 1);
  const { page, nextPageToken } = takePage(aliases, size, ({ alias }) => alias);
  return { response: { aliases: page.map(aliasMessage), nextPageToken } };
});
