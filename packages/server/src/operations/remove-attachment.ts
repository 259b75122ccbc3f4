import { AttachmentService } from "@bunkms/contract";
import { attachmentMessage } from "./attachment-message.ts";
import { defineOperation } from "./operation.ts";

export const removeAttachment = defineOperation(
  AttachmentService.method.removeAttachment,
  async ({ vault }, { name }) => {
    const plan = vault.retention.unlessHeld(await vault.attachments.remove(name));
    return { response: attachmentMessage(plan.result), plan };
  },
);
