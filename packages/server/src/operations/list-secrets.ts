import { SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { pageSize, pageStart, takePage } from "./paging.ts";
import { secretMessage } from "./secret-message.ts";

export const listSecrets = defineOperation(SecretService.method.listSecrets, async ({ vault }, request) => {
  const size = pageSize(request);
  const secrets = await vault.secrets.list(request.prefix, pageStart(request), size + 1);
  const { page, nextPageToken } = takePage(secrets, size, (secret) => secret.name);
  return { response: { secrets: page.map(secretMessage), nextPageToken } };
});
