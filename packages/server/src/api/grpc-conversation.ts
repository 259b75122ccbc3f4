import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import type * as grpc from "@grpc/grpc-js";

/**
 * Answers the messages of a stream one after the other, until its caller has ended his side. The next one is read only
 * when the answer to the one before was taken.
 * @throws what `answer` throws; an error when the caller goes away or sends no proper message.
 */
export async function converse<Q, A>(
  call: grpc.ServerDuplexStream<Q, A>,
  signal: AbortSignal,
  answer: (question: Q) => Promise<A>,
): Promise<void> {
  // By default the end of the questions would destroy the stream, and with it the last answers and the status.
  const questions: AsyncIterable<Q> = call.iterator({ destroyOnReturn: false });
  for await (const question of questions) {
    // Who does not read his answers gets no more of them.
    if (!call.write(await answer(question))) {
      await once(call, "drain", { signal });
    }
    // One answer a turn of the event loop, so that a thousand questions at once keep nobody else waiting.
    await setImmediate();
  }
}
