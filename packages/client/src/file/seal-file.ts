import { ByteQueue } from "../byte-queue.ts";
import type { Bytes } from "../crypto/bytes.ts";
import type { MakeStreamCipher } from "../crypto/stream-cipher.ts";
import { makeWebStreamCipher } from "../crypto/web-stream-cipher.ts";
import { KEY_LENGTH, randomBytes } from "../crypto/webcrypto.ts";
import { FileKeys } from "./file-keys.ts";
import { encodeHeader, type FileHeader } from "./header.ts";
import { SEGMENT_LENGTH, SegmentSealer } from "./segments.ts";

/** The data key of a new file and what the header says of it. */
export interface NewFile extends Pick<FileHeader, "binding" | "keyName" | "wrappedDataKey"> {
  /** 32 bytes, for this file alone. Zeroed as soon as the file's keys are derived. */
  readonly dataKey: Bytes;
}

/**
 * Encrypts a plaintext of any length (spec/file.md).
 * @param makeDataKey called once, before the first piece.
 * @param makeCipher what seals the segments; WebCrypto when there is nothing faster.
 * @returns the encrypted file in pieces; each is the caller's.
 * @throws RangeError for a data key of another length, a name that no header can hold, or more than 2^32 segments; and
 * whatever `makeDataKey` throws.
 */
export async function* sealFile(
  makeDataKey: () => Promise<NewFile>,
  source: AsyncIterable<Uint8Array>,
  makeCipher: MakeStreamCipher = makeWebStreamCipher,
): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(source);
  try {
    const { bytes, cipher } = await begin(await makeDataKey(), makeCipher);
    yield bytes;
    const sealer = new SegmentSealer(cipher);
    // One byte beyond a segment tells that it is not the last.
    while (await input.has(SEGMENT_LENGTH + 1)) {
      yield* await sealer.seal(input.take(SEGMENT_LENGTH), false);
    }
    yield* await sealer.seal(input.take(input.length), true);
  } finally {
    await input.close();
  }
}

async function begin({ dataKey, binding, keyName, wrappedDataKey }: NewFile, makeCipher: MakeStreamCipher) {
  try {
    if (dataKey.length !== KEY_LENGTH) {
      throw new RangeError(`a data key has ${KEY_LENGTH} bytes`);
    }
    const salt = randomBytes(KEY_LENGTH);
    const keys = await FileKeys.from(dataKey, salt);
    const commitment = await keys.commitment();
    const { bytes, digest } = await encodeHeader({ binding, keyName, wrappedDataKey, salt, commitment });
    return { bytes, cipher: await keys.payloadCipher(digest, makeCipher) };
  } finally {
    dataKey.fill(0);
  }
}
