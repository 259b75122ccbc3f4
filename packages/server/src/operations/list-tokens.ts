import { TokenService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { pageSize, pageStart, takePage } from "./paging.ts";
import { tokenMessage } from "./token-message.ts";

export const listTokens = defineOperation(TokenService.method.listTokens, async ({ tokens }, request) => {
  const size = pageSize(request);
  const { page, nextPageToken } = takePage(await tokens.list(pageStart(request), size + 1), size, (token) => token.id);
  return { response: { tokens: page.map(tokenMessage), nextPageToken } };
});
