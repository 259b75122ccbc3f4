import { setImmediate } from "node:timers/promises";
import { BunkmsError } from "@bunkms/contract";
import type * as grpc from "@grpc/grpc-js";
import type { Call } from "../pipeline/call.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { Slots } from "../pipeline/slots.ts";

/** Streams that last at once: in all, and of one token. */
const STREAMS = 16;
const STREAMS_OF_TOKEN = 4;
/** So long a caller may take for his next message, or for taking an answer. */
const IDLE_MS = 60_000;

/**
 * Places for streams. Each costs at most two messages that wait, one that is worked on, and one answer that is not taken
 * yet: 1 MiB each, and some for an answer. They are apart from the places of calls, so that a stream which does nothing
 * keeps no call out, whoever has all of these.
 */
export function streamPlaces(): Slots {
  return new Slots(STREAMS, STREAMS_OF_TOKEN);
}

/**
 * Takes a place for a stream. Who is not known goes through the pipeline, which records him.
 * @returns Gives it back.
 * @throws BunkmsError `unauthenticated`, `too_many_requests`
 */
export async function enterStream(pipeline: Pipeline, call: Call, places: Slots): Promise<() => void> {
  try {
    return await pipeline.enter(call, places);
  } catch (error) {
    if (error instanceof BunkmsError && error.code === "unauthenticated") {
      await pipeline.run(call);
    }
    throw error;
  }
}

/**
 * Gives a place back when the stream is over, which is later than its end for a caller who does not take the last answer.
 * @param over Aborted then.
 */
export function holdUntil(over: AbortSignal, giveBack: () => void): void {
  over.addEventListener("abort", giveBack);
  if (over.aborted) {
    giveBack();
  }
}

/**
 * Answers the messages of a stream one after the other, until its caller has ended his side. The next one is read only
 * when the answer to the one before was taken.
 * @param signal Aborted when the caller goes away.
 * @param idleMs For how long to wait for him.
 * @throws what `answer` throws; BunkmsError `deadline_exceeded` when he lets us wait; an error when he goes away or sends
 * no proper message.
 */
export async function converse<Q, A>(
  call: grpc.ServerDuplexStream<Q, A>,
  signal: AbortSignal,
  answer: (question: Q) => Promise<A>,
  idleMs = IDLE_MS,
): Promise<void> {
  const readNext = readSingly(call);
  // By default the end of the questions would destroy the stream, and with it the last answers and the status.
  const questions = call.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await inTime(questions.next(), signal, idleMs);
    if (done) {
      return;
    }
    // Who does not read his answers gets no more of them.
    await inTime(written(call, await answer(value)), signal, idleMs);
    // One answer a turn of the event loop, so that a thousand questions at once keep nobody else waiting.
    await setImmediate();
    readNext();
  }
}

/**
 * Lets a stream read one message at a time: a stream of objects asks for 16 ahead, here of a megabyte each. `_read` is
 * what Node asks a stream by, and what may be replaced; it does not ask again before it was given something.
 * @returns Lets it read the next.
 */
function readSingly(stream: grpc.ServerDuplexStream<unknown, unknown>): () => void {
  const read = stream._read.bind(stream);
  let allowed = true;
  let asked = false;
  const readIfBoth = (): void => {
    if (allowed && asked) {
      allowed = false;
      asked = false;
      read(1);
    }
  };
  stream._read = () => {
    asked = true;
    readIfBoth();
  };
  return () => {
    allowed = true;
    readIfBoth();
  };
}

function written<A>(call: grpc.ServerDuplexStream<unknown, A>, message: A): Promise<void> {
  return new Promise((resolve, reject) => {
    call.write(message, (error: Error | null | undefined) => (error ? reject(error) : resolve()));
  });
}

/** Waits for the caller, but not longer than is allowed nor when he went away. */
async function inTime<T>(awaited: Promise<T>, signal: AbortSignal, idleMs: number): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const leave = (): void => reject(signal.reason);
  const timer = setTimeout(() => reject(new BunkmsError("deadline_exceeded", "the stream was idle")), idleMs);
  signal.addEventListener("abort", leave);
  if (signal.aborted) {
    leave();
  }
  try {
    return await Promise.race([awaited, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
  }
}
