import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { wipe } from "../../crypto/kdf.ts";
import { SealFailure, SealUnavailable } from "../seal.ts";
import { joinMessage, type Order, type Outcome, PinRefused, splitMessage } from "./order.ts";

const PROGRAM = join(import.meta.dirname, "main.ts");
const MAX_ANSWER = 65_536;
const CANNOT_START = "the process that talks to the token cannot be started";

/** What goes with an order. The caller owns and zeroes it. */
export interface Payload {
  readonly pin: Buffer;
  /** A slot key to wrap, or wrapped bytes. */
  readonly bytes: Uint8Array;
  readonly context: Uint8Array;
}

/** For how long, and which program. */
export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Other than the one that talks to the token, for tests. */
  readonly program?: string;
}

/**
 * Carries out an order in a process of its own, which ends after it.
 *
 * Why a process, and not a thread: a thread that hangs in a module cannot be ended, it holds the module's lock against the
 * thread that would replace it, and it keeps the server from exiting. A process can be killed. Besides, a fault in the
 * module's memory does not reach the server's keys, and since each call opens a session and logs in anew, a token that was
 * pulled out and put back needs no care, nor does a second seal on the same module.
 *
 * PIN and key pass through pipes, never arguments, environment or files.
 *
 * @returns Bytes that the caller zeroes if they are secret.
 * @throws SealFailure, SealUnavailable, PinRefused; the signal's reason when it is aborted.
 */
export async function callToken(order: Order, payload: Payload, options: CallOptions): Promise<Buffer> {
  options.signal.throwIfAborted();
  const child = start(options.program ?? PROGRAM);
  const message = joinMessage(order, payload.pin, payload.bytes, payload.context);
  try {
    return resultOf(await exchange(child, message, options));
  } finally {
    // Before the child has read them, bytes still to be sent are in the pipe or lost with it: either way ours may go.
    wipe(message);
    // SIGKILL, since a process that hangs in a module hears no other. It may take long to die, so nobody waits for it.
    child.kill("SIGKILL");
    child.unref();
  }
}

/** Its standard output and error go nowhere: modules print there. */
function start(program: string): ChildProcess {
  try {
    return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
      stdio: ["pipe", "ignore", "ignore", "pipe"],
    });
  } catch (cause) {
    throw new SealUnavailable(CANNOT_START, { cause });
  }
}

/** Sends the order and collects what comes back. */
function exchange(child: ChildProcess, message: Buffer, { timeoutMs, signal }: CallOptions): Promise<Buffer> {
  // Where even a pipe cannot be had (EMFILE) there are none, and the error comes as an event.
  const input = child.stdin as Writable | undefined;
  const output = child.stdio?.[3] as Readable | undefined;
  const chunks: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(() => {
    reject(new SealUnavailable(`the token did not answer within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  child.on("error", (cause) => {
    reject(new SealUnavailable(CANNOT_START, { cause }));
  });
  child.once("close", (code, by) => {
    if (chunks.length > 0) resolve(Buffer.concat(chunks));
    const how = by === null ? `ended with ${code}` : `was ended by ${by}`;
    reject(new SealUnavailable(`the process that talks to the token ${how} before it answered`));
  });
  // A process that dies before it has read everything: that it is closed says enough.
  input?.on("error", () => undefined);
  input?.end(message);
  let length = 0;
  output?.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_ANSWER) reject(new SealUnavailable("the process that talks to the token says too much"));
  });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    input?.destroy();
    output?.destroy();
    wipe(...chunks);
  });
}

function resultOf(message: Buffer): Buffer {
  try {
    const [head, bytes] = splitMessage(message);
    const { result, text }: Outcome = JSON.parse(String(head));
    switch (result) {
      case "done":
        if (bytes) return Buffer.from(bytes);
        break;
      case "failure":
        throw new SealFailure(text);
      case "pin-refused":
        throw new PinRefused(text);
      case "unavailable":
        throw new SealUnavailable(text);
    }
  } catch (error) {
    if (error instanceof SealFailure || error instanceof SealUnavailable) throw error;
    throw new SealUnavailable("the process that talks to the token answered nonsense");
  } finally {
    wipe(message);
  }
  throw new SealUnavailable("the process that talks to the token answered nonsense");
}
