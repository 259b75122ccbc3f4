import { AttachmentService } from "@bunkms/contract";
import { attachmentMessage } from "./attachment-message.ts";
import { defineOperation } from "./operation.ts";

export const finishAttachment = defineOperation(
  AttachmentService.method.finishAttachment,
  async ({ vault, now }, { name, size, sha256 }) => {
    const plan = await vault.attachments.finish(name, size, sha256, now);
    return { response: attachmentMessage(plan.result), plan };
  },
);
