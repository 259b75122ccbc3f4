import { TokenService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { tokenMessage } from "./token-message.ts";

export const getSelf = defineOperation(TokenService.method.getSelf, async ({ caller }) => ({
  response: tokenMessage(caller),
}));
