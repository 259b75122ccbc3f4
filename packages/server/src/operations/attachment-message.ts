import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AttachmentSchema } from "@bunkms/contract";
import type { AttachmentInfo } from "../vault/attachments.ts";
import { optionalTimestamp, timestamp } from "./timestamp.ts";

/** An attachment's metadata as the contract's `Attachment`. */
export function attachmentMessage(attachment: AttachmentInfo): MessageInitShape<typeof AttachmentSchema> {
  return {
    name: attachment.name,
    size: attachment.size,
    createdAt: timestamp(attachment.createdAt),
    ...optionalTimestamp("finishedAt", attachment.finishedAt),
    sha256: attachment.sha256,
  };
}
