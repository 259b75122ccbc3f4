import { SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { optionalTimestamp } from "./timestamp.ts";

export const generateRootToken = defineOperation(
  SealService.method.generateRootToken,
  async ({ seals, source }, { attempt, key }) => {
    const { issued, ...progress } = await seals.offerForRootToken(attempt, key, source);
    return {
      response: {
        ...progress,
        rootToken: issued?.root.token ?? "",
        ...optionalTimestamp("expiresAt", issued?.root.expiresAt ?? 0),
      },
      plan: issued?.plan,
    };
  },
);
