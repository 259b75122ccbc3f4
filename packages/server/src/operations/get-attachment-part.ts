import { AttachmentService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";

export const getAttachmentPart = defineOperation(
  AttachmentService.method.getAttachmentPart,
  async ({ vault }, { name, part }) => {
    const plan = await vault.attachments.part(name, part);
    const { data, info } = plan.result;
    return { response: { dataB64: data, size: info.size }, plan };
  },
);
