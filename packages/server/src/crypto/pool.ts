import { AsyncLocalStorage } from "node:async_hooks";

/** Of the 4 threads that the pool has by default, so that one is always left for those who ask for one thing only. */
const BULK_PLACES = 3;

/** Lets so much work go on at once, the rest in the order in which it came. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) {
      this.#free -= 1;
    } else {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#free += 1;
      } else {
        next();
      }
    }
  }
}

// One each for the process, as the thread pool is.
const bulkGate = new Gate(BULK_PLACES);
const generationGate = new Gate(1);

/** Tells when nobody wants work any more, to whoever looks: an AbortSignal is one, for what need not be told at once. */
export interface Ending {
  readonly aborted: boolean;
  /** Why. */
  readonly reason: unknown;
}

const bulk = new AsyncLocalStorage<Ending>();

/**
 * Marks whatever `work` does as one piece of many: its jobs for the thread pool take 3 of its places at most, together
 * with those of all other such work in the process.
 * @param ending Once it is aborted, none of the jobs begins any more.
 */
export function inBulk<T>(ending: Ending, work: () => Promise<T>): Promise<T> {
  return bulk.run(ending, work);
}

/**
 * Does a job on the thread pool or another thread, at once, or when bulk work has its turn.
 * @param job Hands one job to the thread, and ends with it.
 * @throws what the job throws; the reason of the bulk work's ending.
 */
export function inPool<T>(job: () => Promise<T>): Promise<T> {
  const ending = bulk.getStore();
  if (ending === undefined) {
    return job();
  }
  return bulkGate.run(() => {
    if (ending.aborted) {
      throw ending.reason;
    }
    return job();
  });
}

/** Makes a key that takes its time, such as RSA's with up to seconds: one at a time in the process. */
export function makeKeyInTurn<T>(make: () => Promise<T>): Promise<T> {
  return generationGate.run(make);
}
