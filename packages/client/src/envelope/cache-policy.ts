/** How long, and for how much, data keys are kept in memory. */
export interface CachePolicy {
  /** Data keys at once, for writing and for reading together; 256 by default. The one not used for longest is forgotten first. */
  readonly maxKeys?: number;
  /** Milliseconds from before a data key was asked for; five minutes by default, at most 24 hours. */
  readonly maxAgeMs?: number;
  /** Messages that one data key seals; 65,536 by default, at most 2^32. */
  readonly maxMessages?: number;
  /** Bytes of plaintext that one data key seals; 1 GiB by default, at most 2^40. */
  readonly maxBytes?: number;
}

/** A policy with all its numbers. */
export type FullCachePolicy = Required<CachePolicy>;

/** What each number is by default, and at most (spec/envelope.md, "Keeping data keys"). */
const LIMITS: Readonly<Record<keyof CachePolicy, readonly [usual: number, most: number]>> = {
  maxKeys: [256, 65_536],
  maxAgeMs: [5 * 60_000, 24 * 60 * 60_000],
  maxMessages: [65_536, 2 ** 32],
  maxBytes: [2 ** 30, 2 ** 40],
};

/** Completes a policy. @throws RangeError for a number that is out of its range. */
export function cachePolicy(given: CachePolicy = {}): FullCachePolicy {
  const entries = Object.entries(LIMITS).map(([name, [usual, most]]) => {
    const value = given[name as keyof CachePolicy] ?? usual;
    if (!(value >= 1 && value <= most)) {
      throw new RangeError(`${name} is from 1 to ${most}; to keep no data keys, let the cache be false`);
    }
    return [name, value];
  });
  return Object.fromEntries(entries) as FullCachePolicy;
}
