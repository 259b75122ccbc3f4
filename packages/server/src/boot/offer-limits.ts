import { isIPv6 } from "node:net";
import { BunkmsError } from "@bunkms/contract";
import { Lru } from "../vault/lru.ts";

/** So many wrong shares from one address in a minute; then its offers wait. */
const WRONG_PER_MINUTE = 10;
const MINUTE_MS = 60_000;
const ADDRESSES = 10_000;

/**
 * Limits wrong shares by the address that they come from. Right ones do not count, and no address can use up another
 * one's tries, so that nobody keeps the holders of shares from offering theirs.
 */
export class OfferLimits {
  readonly #clock: () => number;
  readonly #wrong = new Lru<{ readonly since: number; readonly count: number }>(ADDRESSES);

  /** @param clock Monotonic, in milliseconds. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** @throws BunkmsError `too_many_requests` */
  admit(source: string): void {
    if (this.#recent(source).count >= WRONG_PER_MINUTE) {
      throw new BunkmsError("too_many_requests", "too many wrong shares from this address; wait a minute");
    }
  }

  /** Counts a wrong share. */
  countWrong(source: string): void {
    const { since, count } = this.#recent(source);
    this.#wrong.set(network(source), { since, count: count + 1 });
  }

  #recent(source: string): { readonly since: number; readonly count: number } {
    const now = this.#clock();
    const known = this.#wrong.get(network(source));
    return known === undefined || now - known.since >= MINUTE_MS ? { since: now, count: 0 } : known;
  }
}

/** One site has a whole /64 of IPv6 addresses. */
function network(source: string): string {
  if (!isIPv6(source)) {
    return source;
  }
  const [head = "", tail] = source.split("%")[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - last.length;
  return [...groups, ...Array<string>(zeros).fill("0"), ...last].slice(0, 4).join(":");
}
