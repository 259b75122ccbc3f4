import { LOT_ENTRIES, type LotMatches, lotOf, type Mark } from "./lot-terms.ts";
import type { SearchIndex } from "./search-index.ts";

/** Which entries a search is among. */
export interface Sought {
  /** Those from this index */
  readonly first: number;
  /** to before this one. */
  readonly end: number;
  /** Milliseconds since 1970, inclusive. */
  readonly since: number | undefined;
  /** Likewise, exclusive. */
  readonly until: number | undefined;
  readonly marks: readonly Mark[];
}

/** A part of the log that a search goes through. */
export interface Span {
  readonly from: number;
  readonly end: number;
  /** Indexes of the only entries in it that may fit, the newest first; undefined: all may. */
  readonly at?: readonly number[];
  /** Whether the search ends with it. */
  readonly isLast?: boolean;
}

/** Entries are in the order of their commits, times may lag by the length of a call or a step of the clock: an hour. */
export const CLOCK_STEP = 3_600_000;

/** So many lots are asked for at once: few first, since the newest may have enough. */
const FIRST_LOTS = 8;
const MOST_LOTS = 64;
/** One call asks for no more. */
const LOTS_A_CALL = 4_096;
/** Where so many of a lot's entries may fit, to go through all of them is quicker. */
const DENSE = LOT_ENTRIES / 4;

/** The parts of the log where entries may be that a search looks for, the newest first. */
export async function* spans(sought: Sought, index?: Pick<SearchIndex, "find">): AsyncIterable<Span> {
  const { first, since, marks } = sought;
  if (index === undefined || marks.length === 0) {
    if (first < sought.end) {
      yield { from: first, end: sought.end };
    }
    return;
  }
  let { end } = sought;
  for (let asked = 0, count = FIRST_LOTS; end > first; asked += count, count = Math.min(2 * count, MOST_LOTS)) {
    if (asked >= LOTS_A_CALL) {
      yield { from: end, end, at: [], isLast: true };
      return;
    }
    const newest = lotOf(end - 1);
    const lots = Array.from({ length: Math.min(count, newest - lotOf(first) + 1) }, (_, i) => newest - i);
    let span: Span | undefined;
    for (const [i, matches] of (await index.find(lots, marks)).entries()) {
      const lot = newest - i;
      const from = Math.max(first, lot * LOT_ENTRIES);
      const at = matches && placesOf(matches, lot, { ...sought, first: from, end });
      if (span !== undefined && (span.at === undefined) !== (at === undefined)) {
        yield span;
        span = undefined;
      }
      span = { from, end: span?.end ?? end, ...(at && { at: [...(span?.at ?? []), ...at] }) };
      end = from;
      // Not by an entry that came after a page before this one was read, and was not seen there.
      const isSeen = (lot + 1) * LOT_ENTRIES <= sought.end;
      if (isSeen && at !== undefined && since !== undefined && (matches?.oldest ?? 0) < since - CLOCK_STEP) {
        yield span;
        return;
      }
    }
    if (span !== undefined) {
      yield span;
    }
  }
}

/** Indexes of a lot's entries that may be what is sought, the newest first; undefined: go through all. */
function placesOf({ positions, oldest }: LotMatches, lot: number, { first, end, until }: Sought): number[] | undefined {
  if (until !== undefined && oldest >= until) {
    return [];
  }
  const places = positions.map((position) => lot * LOT_ENTRIES + position).filter((at) => at >= first && at < end);
  return places.length > DENSE ? undefined : places.reverse();
}
