import { KeyService } from "@bunkms/contract";
import { keyMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";

const DEFAULT_TYPE = "aes-256";

export const createKey = defineOperation(KeyService.method.createKey, async (context, request) => {
  const { name, type, tags, description, rotationPeriodSeconds } = request;
  const plan = await context.vault.keys.create(
    name,
    { ...request, typeName: type || DEFAULT_TYPE },
    { tags, description, rotationPeriodSeconds },
    context.now,
  );
  return { response: await keyMessage(context, plan.result), plan };
});
