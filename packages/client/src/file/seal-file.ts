import { ByteQueue } from "./byte-queue.ts";
import { deriveCommitment, derivePayloadKey, KEY_LENGTH, newSalt } from "./file-keys.ts";
import { encodeHeader, type FileHeader } from "./header.ts";
import { SEGMENT_LENGTH, SegmentSealer } from "./segments.ts";

/** The data key of a new file and what the header says of it. */
export interface NewFile extends Pick<FileHeader, "binding" | "keyName" | "wrappedDataKey"> {
  /** 32 bytes, for this file alone. Zeroed as soon as the file's keys are derived. */
  readonly dataKey: Uint8Array;
}

/**
 * Encrypts a plaintext of any length (spec/file.md).
 * @param makeDataKey called once, before the first piece.
 * @returns the encrypted file in pieces; each is the caller's.
 * @throws RangeError for a data key of another length, a name that no header can hold, or more than 2^32 segments; and
 * whatever `makeDataKey` throws.
 */
export async function* sealFile(
  makeDataKey: () => Promise<NewFile>,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(source);
  try {
    const { bytes, payloadKey } = begin(await makeDataKey());
    yield bytes;
    const sealer = new SegmentSealer(payloadKey);
    // One byte beyond a segment tells that it is not the last.
    while (await input.has(SEGMENT_LENGTH + 1)) {
      yield* sealer.seal(input.take(SEGMENT_LENGTH), false);
    }
    yield* sealer.seal(input.take(input.length), true);
  } finally {
    await input.close();
  }
}

function begin({ dataKey, binding, keyName, wrappedDataKey }: NewFile) {
  try {
    if (dataKey.length !== KEY_LENGTH) {
      throw new RangeError(`a data key has ${KEY_LENGTH} bytes`);
    }
    const salt = newSalt();
    const commitment = deriveCommitment(dataKey, salt);
    const { bytes, digest } = encodeHeader({ binding, keyName, wrappedDataKey, salt, commitment });
    return { bytes, payloadKey: derivePayloadKey(dataKey, salt, digest) };
  } finally {
    dataKey.fill(0);
  }
}
