import type { MessagePort, Worker } from "node:worker_threads";

interface Asker<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
}

/** What whoever asks a thread wants to know of its end, which may be told more than once. */
interface ThreadEnd<Reason extends Error> {
  /** What those who still wait are refused with. @param how For example `failed`, to be put behind the thread's name. */
  readonly reasonOf: (how: string, options: ErrorOptions) => Reason;
  /** Called when they were told. */
  readonly onEnd: (reason: Reason) => void;
}

/**
 * A thread that is asked one question after the other. It answers in their order, by which alone an answer finds who asked: so a message
 * that cannot be read ends it, on either side (`takeQuestions`), or all later answers would go to others.
 */
export class AskedThread<Question, Answer, Reason extends Error = Error> {
  readonly #worker: Worker;
  readonly #askers: Asker<Answer>[] = [];

  constructor(worker: Worker, { reasonOf, onEnd }: ThreadEnd<Reason>) {
    this.#worker = worker;
    const end = (how: string, options: ErrorOptions = {}): void => {
      const reason = reasonOf(how, options);
      for (const { reject } of this.#askers.splice(0)) {
        reject(reason);
      }
      onEnd(reason);
    };
    worker.on("message", (answer: Answer) => this.#askers.shift()?.resolve(answer));
    worker.on("messageerror", (cause) => {
      end("gave an answer that cannot be read", { cause });
      void worker.terminate();
    });
    worker.on("error", (cause) => end("failed", { cause }));
    worker.on("exit", () => end("ended"));
  }

  /** Whether nobody waits for an answer. */
  get isIdle(): boolean {
    return this.#askers.length === 0;
  }

  /** @param transferred Memory of the question that is given away. @throws what `reasonOf` gave. */
  ask(question: Question, transferred: readonly ArrayBuffer[] = []): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#worker.postMessage(question, transferred);
      this.#askers.push({ resolve, reject });
    });
  }
}

/** The thread's own side: it takes questions until one cannot be read. */
export function takeQuestions<Question>(port: MessagePort, take: (question: Question) => void): void {
  port.on("messageerror", () => process.exit(1));
  port.on("message", take);
}

/** A copy with memory of its own: a port sends all the memory that a view lies in, and whatever else lies there. */
export function copyOf(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(value);
}
