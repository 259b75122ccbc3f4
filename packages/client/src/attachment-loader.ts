import type { Attachments } from "./runtime/runtime.ts";
import { loadRuntime } from "./runtime-loader.ts";

/**
 * Loads what sends and reads attachments of the audit log. Not in browsers, whose cryptography hashes nothing part by part.
 * @throws RequestError there.
 */
export async function loadAttachments(): Promise<Attachments> {
  return (await loadRuntime()).loadAttachments();
}
