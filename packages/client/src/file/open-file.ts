import { ByteQueue } from "./byte-queue.ts";
import { FileCipherError } from "./file-error.ts";
import { deriveCommitment, derivePayloadKey, isSameCommitment, KEY_LENGTH } from "./file-keys.ts";
import { type FileHeader, type ReadHeader, readHeader } from "./header.ts";
import { MARK_LENGTH, SegmentOpener, TAG_LENGTH } from "./segments.ts";

/** Gets the data key of a file: 32 bytes, which are zeroed as soon as the file's keys are derived. */
export type UnwrapDataKey = (header: FileHeader) => Promise<Uint8Array>;

/**
 * Decrypts an encrypted file (spec/file.md, "Reading").
 *
 * Each piece of plaintext is authentic, but that the file is whole is known only when the last was taken and the
 * generator has ended without an error.
 *
 * @returns the plaintext in pieces; each is the caller's.
 * @throws FileCipherError, and whatever `unwrap` throws.
 */
export async function* openFile(unwrap: UnwrapDataKey, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(source);
  try {
    const header = await readHeader(input);
    const opener = new SegmentOpener(payloadKey(header, await unwrap(header)));
    for (let isLast = false; !isLast; ) {
      const mark = opener.readMark(await take(input, MARK_LENGTH));
      isLast = mark.isLast;
      yield opener.open(await take(input, mark.length + TAG_LENGTH), isLast);
    }
    if (await input.has(1)) {
      throw new FileCipherError("changed", "the file was changed: there is something after its end");
    }
  } finally {
    await input.close();
  }
}

function payloadKey({ salt, commitment, digest }: ReadHeader, dataKey: Uint8Array) {
  try {
    if (dataKey.length !== KEY_LENGTH || !isSameCommitment(deriveCommitment(dataKey, salt), commitment)) {
      throw new FileCipherError("wrong_key", "the data key is not that of the file");
    }
    return derivePayloadKey(dataKey, salt, digest);
  } finally {
    dataKey.fill(0);
  }
}

async function take(input: ByteQueue, length: number): Promise<Uint8Array> {
  if (!(await input.has(length))) {
    throw new FileCipherError("truncated", "the file is cut short: its end is missing");
  }
  return input.take(length);
}
