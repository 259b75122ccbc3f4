import { Worker } from "node:worker_threads";
import type { JobReply } from "./digest-jobs.ts";
import type { CheckingJob, JobResult, SigningJob } from "./signing-job.ts";

/** Without a job for so long the thread ends, and with it what it still holds of keys. */
const IDLE_MS = 2000;

/** A signature of a digest to make or to check. No scheme of a slow key holds bytes. */
export type DigestJob = (SigningJob | CheckingJob) & { readonly kind: "digest" };

interface Asker {
  readonly resolve: (result: JobResult) => void;
  readonly reject: (reason: unknown) => void;
}

class DigestThread {
  readonly #worker = new Worker(new URL("../../bin/digest-thread.js", import.meta.url), { env: {} });
  readonly #onIdle: () => void;
  /** Those who wait for it, in the order of their jobs. */
  readonly #askers: Asker[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #isEnding = false;

  /**
   * @param onIdle Told when there was nothing to do for long.
   * @param onLost Told when it ended, asked or not.
   */
  constructor(onIdle: () => void, onLost: () => void) {
    this.#onIdle = onIdle;
    const lose = (reason: Error): void => {
      clearTimeout(this.#idleTimer);
      onLost();
      for (const { reject } of this.#askers.splice(0)) {
        reject(reason);
      }
    };
    this.#worker.on("message", (reply: JobReply) => this.#settle(reply));
    this.#worker.on("messageerror", (cause) => {
      lose(new Error("the thread for digests gave a reply that cannot be read", { cause }));
      void this.#worker.terminate();
    });
    this.#worker.on("error", (cause) => lose(new Error("the thread for digests failed", { cause })));
    this.#worker.on("exit", () => lose(new Error("the thread for digests ended")));
  }

  carryOut(job: DigestJob): Promise<JobResult> {
    const { message, transferred } = withOwnMemory(job);
    this.#worker.postMessage(message, transferred);
    clearTimeout(this.#idleTimer);
    this.#worker.ref();
    return new Promise((resolve, reject) => this.#askers.push({ resolve, reject }));
  }

  /** Ends it when it is done with the jobs that it has. */
  end(): void {
    this.#isEnding = true;
    this.#rest();
  }

  #settle(reply: JobReply): void {
    const asker = this.#askers.shift();
    if ("error" in reply) {
      asker?.reject(reply.error);
    } else {
      const { result } = reply;
      asker?.resolve(
        typeof result === "boolean" ? result : Buffer.from(result.buffer, result.byteOffset, result.length),
      );
    }
    this.#rest();
  }

  #rest(): void {
    if (this.#askers.length > 0) {
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
 * A job as it goes through a port: with copies of its bytes, which are given away, since a port sends all the memory that a view lies
 * in, and whatever else lies there. The key goes as a handle of OpenSSL's one object.
 */
export function withOwnMemory(job: DigestJob): { readonly message: DigestJob; readonly transferred: ArrayBuffer[] } {
  const input = new Uint8Array(job.input);
  if (job.signature === undefined) {
    return { message: { ...job, input }, transferred: [input.buffer] };
  }
  const signature = new Uint8Array(job.signature);
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
