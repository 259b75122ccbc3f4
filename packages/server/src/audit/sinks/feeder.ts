import { BatchLimit } from "./batch-limit.ts";
import { DeliveryFailed, MAX_BATCH_BYTES, type Sink, type SinkEntry, type SinkName } from "./sink.ts";

/** The log, read forwards. */
export interface LogSource {
  /** Number of entries that are durable. */
  size(): number;
  /** Entries from an index on, at most so many, and at least one where there is one. */
  read(from: number, limit: number): Promise<readonly Buffer[]>;
}

/** Where it is kept how far each sink is. */
export interface CursorStore {
  /** The index of the first entry that the sink has not got; undefined for a new sink. */
  load(sink: SinkName): Promise<number | undefined>;
  save(sink: SinkName, cursor: number): Promise<void>;
}

/** How a sink does; kept over openings of the vault. */
export interface SinkTally {
  /** Entries that the sink has not got. */
  lag: number;
  failures: number;
  /** Entries that the receiver took and dropped. */
  rejected: number;
  /** Milliseconds since 1970; 0: never. */
  lastSuccess: number;
}

/** What a feeder works with. */
export interface FeederParts {
  readonly sink: Sink;
  readonly source: LogSource;
  readonly cursors: CursorStore;
  /** Where a new sink begins. */
  readonly from: "beginning" | "now";
  readonly tally: SinkTally;
  /** Told of the first failure after a success, and of the first success after a failure. */
  readonly onFailing: (reason: string, error: unknown) => void;
  readonly onRecovered: () => void;
}

/** How often it is looked whether the log grew. Entries of that time go in one batch. */
const LOOK_MS = 250;
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** What does not end by being broken off, such as a write to a disk that hangs, is left behind. */
const ABANDON_MS = 1_000;

/**
 * Feeds one sink from the log. It reads forwards from its cursor, a batch at a time, and moves the cursor once the batch was
 * delivered: nothing is left out, and what was delivered just before a crash comes again. Nobody waits for it.
 */
export class Feeder {
  readonly #parts: FeederParts;
  readonly #abort = new AbortController();
  readonly #limit = new BatchLimit();
  /** The first entry that was not delivered; undefined before the cursor was read. */
  #next: number | undefined;
  #saved: number | undefined;
  #isStopped = false;
  #failuresInARow = 0;
  #wake: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(parts: FeederParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Has the sink open anew what was moved away, and try at once if it waits after a failure. */
  reopen(): void {
    this.#parts.sink.reopen?.();
    this.#wake();
  }

  /** Entries that the sink has not got, as of now. */
  get lag(): number {
    const { source, tally } = this.#parts;
    return this.#next === undefined ? tally.lag : Math.max(0, source.size() - this.#next);
  }

  /**
   * Ends it, whatever the sink does.
   * @param graceMs What is under way may end within this time; then it is broken off, and comes again at the next start.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    const breakOff = setTimeout(() => this.#abort.abort(new Error("stopped")), graceMs);
    await within(this.#running, graceMs + ABANDON_MS);
    clearTimeout(breakOff);
    this.#parts.tally.lag = this.lag;
    await within(this.#parts.sink.close(), ABANDON_MS);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        const isIdle = await this.#step();
        if (isIdle) {
          await this.#pause(LOOK_MS);
        }
      } catch (error) {
        if (!this.#abort.signal.aborted) {
          await this.#pause(this.#failed(error));
        }
      }
    }
    // Not when it was broken off: the vault may be closed by now.
    if (!this.#abort.signal.aborted) {
      await this.#save().catch(() => undefined);
    }
  }

  /** @returns Whether there is nothing to do. */
  async #step(): Promise<boolean> {
    const { sink, source, tally } = this.#parts;
    this.#next ??= await this.#begin();
    const next = this.#next;
    // Before anything else is delivered: what comes again after a crash is one batch at most.
    await this.#save();
    if (source.size() === next) {
      return true;
    }
    if (source.size() < next) {
      throw new DeliveryFailed("the log ends before the sink's place in it", { needsMending: true });
    }
    const entries = fitting(await source.read(next, this.#limit.entries), next);
    if (entries.length === 0) {
      throw new DeliveryFailed("the log has no entries where there must be some", { needsMending: true });
    }
    await sink.deliver(entries, this.#abort.signal);
    this.#next = next + entries.length;
    this.#limit.delivered(entries.length);
    tally.lastSuccess = Date.now();
    if (this.#failuresInARow > 0) {
      this.#failuresInARow = 0;
      this.#parts.onRecovered();
    }
    return false;
  }

  async #begin(): Promise<number> {
    const { sink, source, cursors, from } = this.#parts;
    this.#saved = await cursors.load(sink.name);
    return this.#saved ?? (from === "now" ? source.size() : 0);
  }

  async #save(): Promise<void> {
    const next = this.#next;
    if (next !== undefined && this.#saved !== next) {
      await this.#parts.cursors.save(this.#parts.sink.name, next);
      this.#saved = next;
    }
  }

  /** @returns How long to wait. */
  #failed(error: unknown): number {
    const { tally, onFailing } = this.#parts;
    tally.failures += 1;
    const {
      pauseMs = 0,
      needsMending = false,
      isTooLarge = false,
    } = error instanceof DeliveryFailed ? error.failure : {};
    if (this.#failuresInARow === 0) {
      onFailing(error instanceof DeliveryFailed ? error.message : "it failed", error);
    }
    const doublings = this.#failuresInARow;
    this.#failuresInARow += 1;
    if (isTooLarge && this.#limit.refused()) {
      return 0;
    }
    return Math.max(pauseMs, needsMending ? MAX_PAUSE_MS : Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** doublings));
  }

  #pause(ms: number): Promise<void> {
    if (this.#isStopped) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The first entries whose bytes fit together; one at least. */
function fitting(entries: readonly Buffer[], first: number): readonly SinkEntry[] {
  const batch: SinkEntry[] = [];
  let total = 0;
  for (const [i, bytes] of entries.entries()) {
    total += bytes.length;
    if (i > 0 && total > MAX_BATCH_BYTES) {
      break;
    }
    batch.push({ index: first + i, bytes });
  }
  return batch;
}

async function within(work: Promise<unknown> | undefined, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]).catch(() => undefined);
  clearTimeout(timer);
}
