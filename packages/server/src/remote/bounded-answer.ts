/** The most bytes of an answer that are read: a wrapped key of 4 KiB in base64, and room for what is around it. */
export const MAX_ANSWER_BYTES = 64 * 1024;

/** An answer has more bytes than any true answer has. */
export class AnswerTooLarge extends Error {
  constructor() {
    super(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    this.name = "AnswerTooLarge";
  }
}

/**
 * The same body, which ends with an error as soon as it grows too large.
 * @throws AnswerTooLarge
 */
export async function* boundedAnswer(body: AsyncIterable<Uint8Array | string>): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk as Uint8Array);
    length += bytes.length;
    if (length > MAX_ANSWER_BYTES) throw new AnswerTooLarge();
    yield bytes;
  }
}

/** The whole of a bounded body. The caller zeroes it where it holds a secret. @throws AnswerTooLarge */
export async function readBounded(body: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of boundedAnswer(body)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}
