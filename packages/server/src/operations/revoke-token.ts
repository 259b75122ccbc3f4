import { BunkmsError, TokenService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const revokeToken = defineOperation(TokenService.method.revokeToken, async ({ tokens, caller }, { id }) => {
  if (id === caller.id) {
    throw new BunkmsError("invalid_request", "a token cannot revoke itself: use another root token");
  }
  return { response: {}, plan: await tokens.revoke(id) };
});
