import { encodeEntry } from "../audit/entry.ts";

/** What the counting of strangers works with. */
interface StrangersParts {
  /** Makes an entry durable. */
  readonly record: (entry: Buffer) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Milliseconds of a clock that is never put back. */
  readonly monotonic: () => number;
  /** Told when an entry could not be written; its count goes into the next. */
  readonly onFailure: (error: unknown) => void;
}

/** How many may come at once after a quiet time, and how many a second in the long run. */
interface Pace {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * Clients with an outdated token, and tests of what is refused, stay below. At 0.7 KB each that is 3 MB at once, and then
 * 0.3 GB a day.
 */
const OF_ADDRESS: Pace = { burst: 4000, perSecond: 5 };
/** From however many addresses 14 MB at once, and then 1.2 GB a day. One address has a fifth of it at most. */
const OF_ALL: Pace = { burst: 20_000, perSecond: 20 };
const EVERY_MS = 1000;
/**
 * More than can be below their burst at once, which are 36,000: those of the overall burst, and those that come in the 800
 * seconds after which an address is whole again.
 */
const ADDRESSES = 40_000;

/** Refusals that have no entry of their own. */
interface Tally {
  readonly since: number;
  calls: number;
  readonly addresses: Set<string>;
}

/**
 * Decides which refusals of callers without a valid token get an audit entry each, so that nobody fills the disk or hides
 * an attack in noise without even having a token. The others are counted, and one entry a second says how many there were:
 * operation `calls.refuse`, with the calls, from how many addresses (`40000+`: at least so many), and since when.
 */
export class Strangers {
  readonly #parts: StrangersParts;
  /** By the generic cell rate algorithm (ITU-T I.371): a pace's state is the time at which it would be whole again. */
  readonly #wholeAt = new Map<string, number>();
  #allWholeAt = 0;
  #tally: Tally | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: StrangersParts) {
    this.#parts = parts;
  }

  /**
   * Takes note of a refusal.
   * @param address The caller's network address.
   * @returns Whether it is to be recorded by itself; else it was counted.
   */
  note(address: string): boolean {
    const now = this.#parts.monotonic();
    const whole = next(OF_ADDRESS, this.#wholeAt.get(address), now);
    const allWhole = next(OF_ALL, this.#allWholeAt, now);
    if (whole === undefined || allWhole === undefined) {
      this.#count(address);
      return false;
    }
    if (this.#wholeAt.size >= ADDRESSES) {
      this.#forgetWhole(now);
    }
    this.#wholeAt.set(address, whole);
    this.#allWholeAt = allWhole;
    return true;
  }

  /** Writes what was counted and not written yet. To be called when no further call comes. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#write();
  }

  #count(address: string): void {
    this.#tally ??= { since: this.#parts.clock(), calls: 0, addresses: new Set() };
    this.#tally.calls += 1;
    if (this.#tally.addresses.size < ADDRESSES) {
      this.#tally.addresses.add(address);
    }
    this.#writeLater();
  }

  #writeLater(): void {
    if (!this.#isClosed) {
      this.#timer ??= setTimeout(() => {
        this.#writing = this.#write();
      }, EVERY_MS).unref();
    }
  }

  async #write(): Promise<void> {
    const tally = this.#tally;
    this.#tally = undefined;
    try {
      if (tally !== undefined) {
        await this.#parts.record(this.#entry(tally));
      }
    } catch (error) {
      this.#parts.onFailure(error);
      this.#putBack(tally as Tally);
    } finally {
      this.#timer = undefined;
    }
    if (this.#tally !== undefined) {
      this.#writeLater();
    }
  }

  /** Rather counted twice, when the failed commit had come through after all, than not at all. */
  #putBack({ since, calls, addresses }: Tally): void {
    const all = [...addresses, ...(this.#tally?.addresses ?? [])].slice(0, ADDRESSES);
    this.#tally = { since, calls: calls + (this.#tally?.calls ?? 0), addresses: new Set(all) };
  }

  #entry({ since, calls, addresses }: Tally): Buffer {
    const { size } = addresses;
    return encodeEntry({
      time: this.#parts.clock(),
      requestId: "",
      operation: "calls.refuse",
      resource: "",
      outcome: "too_many_requests",
      source: "",
      transport: "local",
      request: {
        calls: String(calls),
        addresses: size < ADDRESSES ? String(size) : `${size}+`,
        since: new Date(since).toISOString(),
      },
      response: {},
    });
  }

  #forgetWhole(now: number): void {
    for (const [address, wholeAt] of this.#wholeAt) {
      if (wholeAt <= now) {
        this.#wholeAt.delete(address);
      }
    }
  }
}

/** When a pace is whole again after one more; undefined when it does not allow that one. */
function next({ burst, perSecond }: Pace, wholeAt: number | undefined, now: number): number | undefined {
  const interval = 1000 / perSecond;
  const from = Math.max(wholeAt ?? 0, now);
  return from - now <= (burst - 1) * interval ? from + interval : undefined;
}
