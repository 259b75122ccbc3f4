import { SystemService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getMetrics = defineOperation(SystemService.method.getMetrics, async ({ introspection }) => ({
  response: {
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    data: Buffer.from(await introspection.metrics()),
  },
}));
