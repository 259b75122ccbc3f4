import { AttachmentService } from "@bunkms/contract";
import { attachmentMessage } from "./attachment-message.ts";
import { defineOperation } from "./operation.ts";
import { pageSize, pageStart, takePage } from "./paging.ts";

export const listAttachments = defineOperation(AttachmentService.method.listAttachments, async ({ vault }, request) => {
  const size = pageSize(request);
  const attachments = await vault.attachments.list(request.prefix, pageStart(request), size + 1);
  const { page, nextPageToken } = takePage(attachments, size, ({ name }) => name);
  return { response: { attachments: page.map(attachmentMessage), nextPageToken } };
});
