import { ByteQueue } from "../byte-queue.ts";
import { type Bytes, equalsInConstantTime } from "../crypto/bytes.ts";
import type { MakeStreamCipher, StreamCipher } from "../crypto/stream-cipher.ts";
import { makeWebStreamCipher } from "../crypto/web-stream-cipher.ts";
import { KEY_LENGTH, TAG_LENGTH } from "../crypto/webcrypto.ts";
import { FileCipherError } from "./file-error.ts";
import { FileKeys } from "./file-keys.ts";
import { type FileHeader, type ReadHeader, readHeader } from "./header.ts";
import { MARK_LENGTH, SegmentOpener } from "./segments.ts";

/** Gets the data key of a file: 32 bytes, which are zeroed as soon as the file's keys are derived. */
export type UnwrapDataKey = (header: FileHeader) => Promise<Bytes>;

/**
 * Decrypts an encrypted file (spec/file.md, "Reading").
 *
 * Each piece of plaintext is authentic, but that the file is whole is known only when the last was taken and the
 * generator has ended without an error.
 *
 * @returns the plaintext in pieces; each is the caller's.
 * @throws FileCipherError, and whatever `unwrap` throws.
 */
export async function* openFile(
  unwrap: UnwrapDataKey,
  source: AsyncIterable<Uint8Array>,
  makeCipher: MakeStreamCipher = makeWebStreamCipher,
): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(source);
  try {
    const header = await readHeader(input);
    const opener = new SegmentOpener(await payloadCipher(header, await unwrap(header), makeCipher));
    for (let isLast = false; !isLast; ) {
      const mark = opener.readMark(await take(input, MARK_LENGTH));
      isLast = mark.isLast;
      yield await opener.open(await take(input, mark.length + TAG_LENGTH), isLast);
    }
    if (await input.has(1)) {
      throw new FileCipherError("changed", "the file was changed: there is something after its end");
    }
  } finally {
    await input.close();
  }
}

async function payloadCipher(
  { salt, commitment, digest }: ReadHeader,
  dataKey: Bytes,
  makeCipher: MakeStreamCipher,
): Promise<StreamCipher> {
  try {
    const keys = dataKey.length === KEY_LENGTH ? await FileKeys.from(dataKey, salt) : undefined;
    if (keys === undefined || !equalsInConstantTime(await keys.commitment(), commitment)) {
      throw new FileCipherError("wrong_key", "the data key is not that of the file");
    }
    return await keys.payloadCipher(digest, makeCipher);
  } finally {
    dataKey.fill(0);
  }
}

async function take(input: ByteQueue, length: number): Promise<Bytes> {
  if (!(await input.has(length))) {
    throw new FileCipherError("truncated", "the file is cut short: its end is missing");
  }
  return input.take(length);
}
