import { ByteQueue } from "../byte-queue.ts";
import { UnexpectedAnswerError } from "../errors.ts";
import { MOST_ANSWER_BYTES } from "../wire.ts";

/** One byte that says whether the message is compressed, and its length in four (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX_LENGTH = 5;

/** gRPC answers with this status whatever it has to say. */
const HTTP_OK = 200;

/** A message in its frame, not compressed. The frame is the caller's, who zeroes it when it was sent. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PREFIX_LENGTH + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, PREFIX_LENGTH);
  return frame;
}

/**
 * The messages in a stream of chunks, however it is cut. No more is read than the message that is asked for.
 * @throws UnexpectedAnswerError for one that is compressed, though that was not offered, one that is too large, and one that
 * is cut short.
 */
export async function* readMessages(chunks: AsyncIterable<Uint8Array>, origin: string): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(chunks);
  try {
    while (await input.has(PREFIX_LENGTH)) {
      const prefix = input.take(PREFIX_LENGTH);
      const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(1);
      if (prefix[0] !== 0 || length > MOST_ANSWER_BYTES) {
        throw unexpected(`${origin} sent a message that is compressed, or larger than any of BunKMS`);
      }
      if (!(await input.has(length))) {
        break;
      }
      yield input.take(length);
    }
    if (input.length > 0) {
      throw unexpected(`${origin} ended its answer in the middle of a message`);
    }
  } finally {
    await input.close();
  }
}

function unexpected(text: string): UnexpectedAnswerError {
  return new UnexpectedAnswerError(text, HTTP_OK);
}
