import assert from "node:assert/strict";
import { test } from "node:test";
import type { LotMatches } from "./lot-terms.ts";
import { CLOCK_STEP, type Sought, type Span, spans } from "./spans.ts";

const LOT = 4096;
const MARKS = [{ field: "resource", value: "key/k" }] as const;

type Lots = Readonly<Record<number, readonly number[] | undefined>>;

/** Spans of a log with these positions in its lots; a lot that is not named has records and none. */
async function spansOf(lots: Lots, sought: Partial<Sought> & { readonly end: number }, oldest = (lot: number) => lot) {
  const asked: number[] = [];
  const index = {
    find: async (numbers: readonly number[]): Promise<readonly (LotMatches | undefined)[]> => {
      asked.push(...numbers);
      return numbers.map((lot) => {
        const positions = lot in lots ? lots[lot] : [];
        return positions && { positions, oldest: oldest(lot) };
      });
    },
  };
  const found: Span[] = [];
  for await (const span of spans({ first: 0, since: undefined, until: undefined, marks: MARKS, ...sought }, index)) {
    found.push(span);
  }
  return { found, asked };
}

test("without an index, or without a mark, all entries are one span, and of no entries there is none", async () => {
  const sought = { first: 3, end: 9000, since: undefined, until: undefined };
  for (const marks of [MARKS, []]) {
    assert.deepEqual(await Array.fromAsync(spans({ ...sought, marks })), [{ from: 3, end: 9000 }]);
    assert.deepEqual(await Array.fromAsync(spans({ ...sought, marks, end: 3 })), []);
  }
  assert.deepEqual((await spansOf({ 0: undefined }, { first: 3, end: 9000, marks: [] })).found, [
    { from: 3, end: 9000 },
  ]);
});

test("places in neighbouring lots are one span, the newest first, as are neighbouring lots without records", async () => {
  const lots = { 5: [1, 7], 4: [0], 3: undefined, 2: undefined, 1: [9], 0: [4095] };
  const { found } = await spansOf(lots, { first: 0, end: 6 * LOT });
  assert.deepEqual(found, [
    { from: 4 * LOT, end: 6 * LOT, at: [5 * LOT + 7, 5 * LOT + 1, 4 * LOT] },
    { from: 2 * LOT, end: 4 * LOT },
    { from: 0, end: 2 * LOT, at: [LOT + 9, 4095] },
  ]);
});

test("only places within what is sought count", async () => {
  const lots = { 1: [0, 5, 6, 7], 0: [2, 3, 4] };
  const { found, asked } = await spansOf(lots, { first: 3, end: LOT + 6 });
  assert.deepEqual(found, [{ from: 3, end: LOT + 6, at: [LOT + 5, LOT, 4, 3] }]);
  assert.deepEqual(asked, [1, 0]);
  assert.deepEqual((await spansOf(lots, { first: 2 * LOT, end: 2 * LOT })).asked, []);
});

test("a lot of which more than a quarter may fit is gone through", async () => {
  const positions = Array.from({ length: 1025 }, (_, i) => 2 * i);
  for (const [count, isAll] of [
    [1024, false],
    [1025, true],
  ] as const) {
    const { found } = await spansOf({ 0: positions.slice(0, count) }, { end: LOT });
    assert.deepEqual([found.length, found[0]?.at === undefined], [1, isAll]);
  }
});

test("a lot whose oldest entry is not before the end of the time sought has nothing", async () => {
  const at = async (until: number) =>
    (await spansOf({ 1: [1], 0: [2] }, { end: 2 * LOT, until }, (lot) => 100 * lot)).found[0]?.at;
  assert.deepEqual([await at(101), await at(100), await at(0)], [[LOT + 1, 2], [2], []]);
});

test("the lot whose oldest entry is more than an hour before the time sought is the last", async () => {
  const oldest = (lot: number) => CLOCK_STEP * lot;
  const lots = { 5: [1], 4: [2], 3: [3], 2: [4] };
  const { found } = await spansOf(lots, { end: 6 * LOT, since: 5 * CLOCK_STEP }, oldest);
  assert.deepEqual(found, [{ from: 3 * LOT, end: 6 * LOT, at: [5 * LOT + 1, 4 * LOT + 2, 3 * LOT + 3] }]);
  // One that is to be gone through ends the search by its own entries.
  const { found: all } = await spansOf({ ...lots, 3: undefined }, { end: 6 * LOT, since: 5 * CLOCK_STEP }, oldest);
  assert.deepEqual(
    all.map(({ from }) => from),
    [4 * LOT, 3 * LOT, 2 * LOT],
  );
});

test("a lot that the search begins within does not end it: its oldest entry may have come after the page before", async () => {
  const lots = { 2: [1], 1: [2], 0: [3] };
  const oldest = (lot: number) => (lot === 2 ? 0 : 9 * CLOCK_STEP);
  const { found } = await spansOf(lots, { end: 2 * LOT + 5, since: 9 * CLOCK_STEP }, oldest);
  assert.deepEqual(found[0]?.at, [2 * LOT + 1, LOT + 2, 3]);
  const { found: whole } = await spansOf(lots, { end: 3 * LOT, since: 9 * CLOCK_STEP }, oldest);
  assert.deepEqual(whole[0]?.at, [2 * LOT + 1]);
});

test("few lots are asked for at first, and no more in one search than its bound", async () => {
  const { found, asked } = await spansOf({}, { end: 10_000 * LOT });
  assert.deepEqual(found.at(0), { from: 9_992 * LOT, end: 10_000 * LOT, at: [] });
  assert.equal(found.at(-1)?.isLast, true);
  const { from } = found.at(-1) as Span;
  assert.equal(asked.length, 10_000 - from / LOT);
  assert.ok(asked.length >= 4096 && asked.length < 4096 + 64);
  assert.ok(found.slice(0, -1).every(({ isLast }) => isLast === undefined));
});
