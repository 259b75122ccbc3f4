import type { Bytes } from "../crypto/bytes.ts";
import type { FullCachePolicy } from "./cache-policy.ts";

/** A data key to seal and open with, and its wrapped form. Its bytes are nowhere in JavaScript's memory. */
export interface DataKey {
  readonly key: CryptoKey;
  readonly wrapped: Bytes;
}

/** Gets a data key, and says what it may be found by besides what it was asked for by. */
export type GetDataKey = () => Promise<{ readonly dataKey: DataKey; readonly alsoBy?: string }>;

interface Entry extends DataKey {
  readonly born: Moment;
  messages: number;
  bytes: number;
}

/** A point in time on both clocks: the one may stand still while a machine sleeps, the other may be set. */
interface Moment {
  readonly steady: number;
  readonly wall: number;
}

/**
 * Data keys that are kept for a while (spec/envelope.md, "Keeping data keys"). Callers that miss the same one at once wait for
 * one call. What fails is not kept.
 */
export class DataKeyCache {
  readonly #policy: FullCachePolicy;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #underWay = new Map<string, Promise<Entry>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(policy: FullCachePolicy) {
    this.#policy = policy;
  }

  /** How many are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The data key that is kept under `id`, if it may still seal so many bytes, or a new one.
   * @param bytes undefined for reading, which is not counted.
   */
  async use(id: string, bytes: number | undefined, get: GetDataKey): Promise<DataKey> {
    for (;;) {
      const kept = this.#take(id, bytes);
      if (kept !== undefined) {
        return kept;
      }
      const pending = this.#underWay.get(id);
      if (pending === undefined) {
        return this.#fetch(id, bytes, get);
      }
      // Then it is kept, and counted for each who waited; whom its limits leave over gets the next one.
      await pending;
    }
  }

  /** Forgets everything. What is asked for afterwards is not kept. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#entries.clear();
  }

  #fetch(id: string, bytes: number | undefined, get: GetDataKey): Promise<Entry> {
    // Before the call: the server may have made the data key at any moment of it.
    const born = now();
    const pending = get()
      .then(({ dataKey, alsoBy }) => {
        // A message that is larger than the limit has a data key of its own.
        const entry: Entry = { ...dataKey, born, messages: bytes === undefined ? 0 : 1, bytes: bytes ?? 0 };
        for (const name of alsoBy === undefined ? [id] : [alsoBy, id]) {
          this.#keep(name, entry);
        }
        return entry;
      })
      .finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, pending);
    return pending;
  }

  #take(id: string, bytes: number | undefined): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      return undefined;
    }
    this.#entries.delete(id);
    const { maxMessages, maxBytes } = this.#policy;
    const isUsedUp = bytes !== undefined && (entry.messages >= maxMessages || entry.bytes + bytes > maxBytes);
    if (isUsedUp || this.#isOld(entry)) {
      return undefined;
    }
    this.#entries.set(id, entry);
    if (bytes !== undefined) {
      entry.messages += 1;
      entry.bytes += bytes;
    }
    return entry;
  }

  #keep(id: string, entry: Entry): void {
    if (this.#closed) {
      return;
    }
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#policy.maxKeys) {
        break;
      }
      this.#entries.delete(oldest);
    }
    this.#timer ??= this.#sweepAfter(this.#policy.maxAgeMs);
  }

  /** Forgets what is old although nobody asks for it. */
  #sweepAfter(milliseconds: number): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      for (const [id, entry] of this.#entries) {
        if (this.#isOld(entry)) {
          this.#entries.delete(id);
        }
      }
      const ages = [...this.#entries.values()].map(({ born }) => age(born));
      const left = this.#policy.maxAgeMs - Math.max(...ages);
      this.#timer = ages.length === 0 ? undefined : this.#sweepAfter(Math.max(1, left));
    }, milliseconds);
    // No process lives on for it. In browsers it is a number.
    (timer as { unref?(): void }).unref?.();
    return timer;
  }

  #isOld({ born }: Entry): boolean {
    return age(born) >= this.#policy.maxAgeMs;
  }
}

function now(): Moment {
  return { steady: performance.now(), wall: Date.now() };
}

/** Milliseconds, by the clock that says more. */
function age({ steady, wall }: Moment): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}
