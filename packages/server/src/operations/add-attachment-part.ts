import { AttachmentService } from "@bunkms/contract";
import { attachmentMessage } from "./attachment-message.ts";
import { defineOperation } from "./operation.ts";

export const addAttachmentPart = defineOperation(
  AttachmentService.method.addAttachmentPart,
  async ({ vault, now }, { name, part, dataB64 }) => {
    const plan = await vault.attachments.addPart(name, part, dataB64, now);
    return { response: attachmentMessage(plan.result), plan };
  },
);
