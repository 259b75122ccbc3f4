import { TokenService } from "@bunkms/contract";
import type { RoleName } from "../access/identity.ts";
import { defineOperation } from "./operation.ts";
import { timestamp } from "./timestamp.ts";

const DEFAULT_TTL_SECONDS = 3600;

export const createToken = defineOperation(TokenService.method.createToken, async ({ tokens, now }, request) => {
  // The contract's rules let nothing but admin, operator and reader pass.
  const plan = tokens.create(
    request.displayName,
    request.role as RoleName,
    request.ttlSeconds || DEFAULT_TTL_SECONDS,
    now,
  );
  const { token, id, name, role, createdAt, expiresAt } = plan.result;
  return {
    response: {
      token,
      id,
      displayName: name,
      role,
      createdAt: timestamp(createdAt),
      expiresAt: timestamp(expiresAt),
    },
    plan,
  };
});
