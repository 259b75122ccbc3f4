import { KeyService } from "@bunkms/contract";
import { keySummary } from "./key-message.ts";
import { defineOperation } from "./operation.ts";
import { pageSize, pageStart, takePage } from "./paging.ts";

export const listKeys = defineOperation(KeyService.method.listKeys, async ({ vault }, request) => {
  const size = pageSize(request);
  const keys = await vault.keys.list(request, pageStart(request), size + 1);
  const { page, nextPageToken } = takePage(keys, size, (key) => key.name);
  return { response: { keys: page.map(keySummary), nextPageToken } };
});
