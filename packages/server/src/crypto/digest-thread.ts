import { Worker } from "node:worker_threads";
import { AskedThread, copyOf } from "../threads/asked-thread.ts";
import type { JobReply } from "./digest-jobs.ts";
import type { JobResult, SignatureJob } from "./signing-job.ts";

/** Without a job for so long the thread ends, and with it what it still holds of keys. */
const IDLE_MS = 2000;

/** A signature of a digest to make or to check. No scheme of a slow key holds bytes. */
export type DigestJob = SignatureJob & { readonly kind: "digest" };

class DigestThread {
  readonly #worker = new Worker(new URL("../../bin/digest-thread.js", import.meta.url), { env: {} });
  readonly #thread: AskedThread<DigestJob, JobReply>;
  readonly #onIdle: () => void;
  #idleTimer: NodeJS.Timeout | undefined;
  #isEnding = false;

  /**
   * @param onIdle Told when there was nothing to do for long.
   * @param onEnd Told when it ended, asked or not.
   */
  constructor(onIdle: () => void, onEnd: () => void) {
    this.#onIdle = onIdle;
    this.#thread = new AskedThread(this.#worker, {
      reasonOf: (how, options) => new Error(`the thread for digests ${how}`, options),
      onEnd: () => {
        clearTimeout(this.#idleTimer);
        onEnd();
      },
    });
  }

  async carryOut(job: DigestJob): Promise<JobResult> {
    const { message, transferred } = withOwnMemory(job);
    const asked = this.#thread.ask(message, transferred);
    clearTimeout(this.#idleTimer);
    this.#worker.ref();
    const reply = await asked;
    this.#rest();
    if ("error" in reply) {
      throw reply.error;
    }
    const { result } = reply;
    return typeof result === "boolean" ? result : Buffer.from(result.buffer, result.byteOffset, result.length);
  }

  /** Ends it when it is done with the jobs that it has. */
  end(): void {
    this.#isEnding = true;
    this.#rest();
  }

  #rest(): void {
    if (!this.#thread.isIdle) {
      return;
    }
    // An idle thread keeps no process alive.
    this.#worker.unref();
    clearTimeout(this.#idleTimer);
    if (this.#isEnding) {
      void this.#worker.terminate();
    } else {
      this.#idleTimer = setTimeout(this.#onIdle, IDLE_MS).unref();
    }
  }
}

/**
 * A job as it goes through a port: with copies of its bytes, which are given away. The key goes as a handle of OpenSSL's one object.
 */
export function withOwnMemory(job: DigestJob): { readonly message: DigestJob; readonly transferred: ArrayBuffer[] } {
  const input = copyOf(job.input);
  if (job.signature === undefined) {
    return { message: { ...job, input }, transferred: [input.buffer] };
  }
  const signature = copyOf(job.signature);
  return { message: { ...job, input, signature }, transferred: [input.buffer, signature.buffer] };
}

let thread: DigestThread | undefined;

/**
 * Makes or checks a signature of a digest that takes its time, up to 1.4 ms, for which all other calls would wait: in a thread of its
 * own, after the jobs that came before. The thread pool, which has those of messages, hashes what it is given, and nothing of ours
 * can run there. The thread begins with the first job.
 * @throws Error when OpenSSL refuses, or the thread is lost.
 */
export function onDigestThread(job: DigestJob): Promise<JobResult> {
  if (thread === undefined) {
    const begun: DigestThread = new DigestThread(endDigestThread, () => {
      thread = thread === begun ? undefined : thread;
    });
    thread = begun;
  }
  return thread.carryOut(job);
}

/** Ends the thread when it is done with the jobs that it has, so that it holds no key any more. */
export function endDigestThread(): void {
  thread?.end();
  thread = undefined;
}
