/** Loads what sends and reads attachments of the audit log. It needs Node's cryptography, which browsers lack. */
export function loadAttachments(): Promise<typeof import("./attachment/attachment.ts")> {
  return import("./attachment/attachment.ts");
}
