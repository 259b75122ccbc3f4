import { createHash } from "node:crypto";
import type { Attachment } from "@bunkms/contract";
import type { BunkmsClient } from "../client.ts";
import { RequestError, UnexpectedAnswerError } from "../errors.ts";

/** Bytes of every part but the last. */
const PART_LENGTH = 512 * 1024;
/** The most that an attachment can have, in bytes: 512 parts. */
export const MOST_ATTACHMENT_BYTES = 512 * PART_LENGTH;

/**
 * Sends an attachment of the audit log, part by part, and finishes it with its size and SHA-256. What was interrupted goes on:
 * parts that are there already pass.
 *
 * @param pieces The content. A piece is copied before the next one is asked for.
 * @param sha256 What the content must have, hexadecimal, where it is known; nothing is finished otherwise.
 * @throws RequestError when the content is empty, too large, or not what it must be; BunkmsApiError `already_exists` when
 * another one has the name; ConnectionError.
 */
export async function sendAttachment(
  client: Pick<BunkmsClient, "attachments">,
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  sha256?: string,
): Promise<Attachment> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const part of inParts(pieces)) {
    if (size + part.length > MOST_ATTACHMENT_BYTES) {
      throw new RequestError(`an attachment has at most ${MOST_ATTACHMENT_BYTES / 1024 ** 2} MiB`);
    }
    hash.update(part);
    await client.attachments.addAttachmentPart({ name, part: size / PART_LENGTH, dataB64: part });
    size += part.length;
  }
  if (size === 0) {
    throw new RequestError("an attachment has at least one byte");
  }
  const digest = hash.digest("hex");
  if (sha256 !== undefined && sha256 !== digest) {
    throw new RequestError("the attachment's content changed meanwhile; it is not finished");
  }
  return client.attachments.finishAttachment({ name, size, sha256: digest });
}

/**
 * Reads an attachment, part by part. The last part comes only when the whole has the SHA-256 that the server recorded.
 *
 * @throws BunkmsApiError `not_found`; UnexpectedAnswerError when it is not what was recorded; ConnectionError.
 */
export async function* readAttachment(
  client: Pick<BunkmsClient, "attachments">,
  { name, size, sha256 }: Pick<Attachment, "name" | "size" | "sha256">,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  const parts = Math.ceil(size / PART_LENGTH);
  let read = 0;
  for (let part = 0; part < parts; part++) {
    const { dataB64 } = await client.attachments.getAttachmentPart({ name, part });
    hash.update(dataB64);
    read += dataB64.length;
    if (part === parts - 1 && (read !== size || (sha256 !== "" && hash.digest("hex") !== sha256))) {
      throw new UnexpectedAnswerError("the attachment is not what was recorded", 200);
    }
    yield dataB64;
  }
}

async function* inParts(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let part = Buffer.allocUnsafeSlow(PART_LENGTH);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const taken = piece.subarray(at, at + PART_LENGTH - filled);
      part.set(taken, filled);
      at += taken.length;
      filled += taken.length;
      if (filled === PART_LENGTH) {
        yield part;
        part = Buffer.allocUnsafeSlow(PART_LENGTH);
        filled = 0;
      }
    }
  }
  if (filled > 0) {
    yield part.subarray(0, filled);
  }
}
