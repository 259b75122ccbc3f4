import { SystemService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getOpenApi = defineOperation(SystemService.method.getOpenApi, async ({ introspection }) => ({
  response: { contentType: "application/json", data: await introspection.openApi() },
}));
