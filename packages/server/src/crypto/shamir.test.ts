import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { combine, split } from "shamir-secret-sharing";
import { seeded } from "../../../../test/vectors/seeded.ts";
import { equal } from "./kdf.ts";
import { randomBytes } from "./random.ts";
import { combineShares, isSharing, MAX_SHARES, type Point, splitSecret } from "./shamir.ts";

const points = (values: readonly Uint8Array[]): Point[] => values.map((value, at) => ({ index: at + 1, value }));

/** All ways to take `count` of the items. */
function subsets<T>(items: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return items.flatMap((item, at) => subsets(items.slice(at + 1), count - 1).map((rest) => [item, ...rest]));
}

/** Pearson's statistic of counts that should all be alike. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

// The statistic's quantiles at a chance of 1 in 10^9 (six deviations, by Wilson and Hilferty), of 255 and 65,535 degrees.
const BOUND_OF_BYTES = 415;
const BOUND_OF_PAIRS = 67_730;

test("REQ-26: any three shares of five give the secret back, in any order, and so do four and five", () => {
  const secret = randomBytes(32);
  const all = points(splitSecret(secret, 5, 3));
  for (const count of [3, 4, 5]) {
    for (const some of subsets(all, count)) {
      assert.ok(equal(combineShares(some), secret));
      assert.ok(equal(combineShares(some.toReversed()), secret));
    }
  }
  assert.equal(subsets(all, 3).length, 10);
  for (const two of subsets(all, 2)) assert.ok(!equal(combineShares(two), secret));
});

test("REQ-26: whatever is split into whatever shares comes back from any that are enough", () => {
  const cases = fc.integer({ min: 2, max: 40 }).chain((n) =>
    fc.tuple(
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      fc.integer({ min: 2, max: n }),
      fc.shuffledSubarray(
        Array.from({ length: n }, (_, at) => at),
        { minLength: n, maxLength: n },
      ),
    ),
  );
  fc.assert(
    fc.property(cases, ([secret, threshold, order]) => {
      const all = points(splitSecret(secret, order.length, threshold));
      const some = order.slice(0, threshold).map((at) => all[at] ?? assert.fail());
      assert.deepEqual(combineShares(some), Buffer.from(secret));
    }),
    { numRuns: 300 },
  );
});

test("REQ-26: 255 shares, of which 255 or 2 are needed", () => {
  const secret = randomBytes(32);
  for (const threshold of [2, MAX_SHARES]) {
    const all = points(splitSecret(secret, MAX_SHARES, threshold));
    assert.equal(all.at(-1)?.index, 255);
    assert.ok(equal(combineShares(all), secret));
    assert.ok(equal(combineShares(all.slice(-threshold)), secret));
  }
  const tooFew = points(splitSecret(secret, MAX_SHARES, MAX_SHARES)).slice(1);
  assert.ok(!equal(combineShares(tooFew), secret));
});

test("REQ-26: one share of one is the secret itself, in memory of its own", () => {
  const secret = randomBytes(32);
  const [only = assert.fail()] = splitSecret(secret, 1, 1);
  assert.ok(equal(only, secret));
  only.fill(0);
  assert.ok(!equal(only, secret));
  assert.ok(equal(combineShares([{ index: 1, value: secret }]), secret));
});

test("REQ-26: Privy's shamir-secret-sharing puts our shares together, and we put its together", async () => {
  const { seed, below, bytes } = seeded();
  for (let round = 0; round < 60; round++) {
    const n = 2 + below(round < 55 ? 12 : 254);
    const threshold = 2 + below(n - 1);
    const secret = Buffer.from(bytes(1 + below(40)));
    const where = `seed ${seed}, round ${round}: ${threshold} of ${n}`;
    // Its shares have the x-coordinate as their last byte.
    const ours = points(splitSecret(secret, n, threshold)).toSorted(() => below(3) - 1);
    const forIt = ours.slice(0, threshold).map(({ index, value }) => new Uint8Array([...value, index]));
    assert.deepEqual(Buffer.from(await combine(forIt)), secret, where);
    const its = (await split(new Uint8Array(secret), n, threshold)).slice(0, threshold);
    const forUs = its.map((share) => ({ index: share.at(-1) ?? 0, value: share.subarray(0, -1) }));
    assert.deepEqual(combineShares(forUs), secret, where);
  }
});

test("REQ-26: the product of any two elements is that of FIPS 197", () => {
  // Two shares at 1 and x determine the factor of the first, x/(x + 1), by which each value is multiplied here; the
  // standard's own multiplication by x (section 4.2, xtime) says what must come out.
  const xtime = (b: number): number => (b & 0x80 ? ((b << 1) ^ 0x1b) & 0xff : b << 1);
  const product = (a: number, b: number): number => (b === 0 ? 0 : (b & 1 ? a : 0) ^ product(xtime(a), b >> 1));
  assert.equal(product(0x57, 0x83), 0xc1);
  const values = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  for (let x = 2; x <= MAX_SHARES; x++) {
    const combined = combineShares([
      { index: 1, value: values },
      { index: x, value: Buffer.alloc(256) },
    ]);
    for (const [value, result] of combined.entries()) assert.equal(product(result, x ^ 1), product(value, x));
  }
});

test("REQ-26: coefficients are uniform over 0..255, the leading one too", () => {
  for (const threshold of [2, 3]) {
    const counts = new Array<number>(256).fill(0);
    for (let round = 0; round < 20_000; round++) {
      // Of zeros, the share at 1 is the sum of the coefficients, and the leading one a sum over the shares.
      const [first = assert.fail(), second = assert.fail(), third = assert.fail()] = splitSecret(
        Buffer.alloc(32),
        3,
        threshold,
      );
      for (const [at, value] of first.entries()) {
        // With c1·x + c2·x²: at 1, 2 and 3 the values are c1+c2, 2c1+4c2, 3c1+5c2, whose sum is 0; so c2 comes of the first
        // two: 2·first + second = (2·4 terms) 6·c2. Counting 6·c2 counts c2, since multiplication by 6 is a bijection.
        const leading = threshold === 2 ? value : (value << 1) ^ (value & 0x80 ? 0x11b : 0) ^ (second[at] ?? 0);
        counts[leading] = (counts[leading] ?? 0) + 1;
        if (threshold === 3) assert.equal(value ^ (second[at] ?? 0) ^ (third[at] ?? 0), 0);
      }
    }
    const statistic = chiSquare(counts);
    assert.ok(statistic < BOUND_OF_BYTES, `threshold ${threshold}: ${statistic}`);
    assert.ok((counts[0] ?? 0) > 0);
  }
});

test("REQ-26: fewer shares than the threshold are uniform, alone and together, whatever the secret is", () => {
  for (const byte of [0x00, 0x01, 0xff]) {
    const pairs = new Array<number>(65_536).fill(0);
    const singles = [1, 2, 3].map(() => new Array<number>(256).fill(0));
    for (let round = 0; round < 20_000; round++) {
      const values = splitSecret(Buffer.alloc(32, byte), 3, 3);
      for (let at = 0; at < 32; at++) {
        const [a, b, c] = values.map((value) => value[at] ?? 0) as [number, number, number];
        const pair = (round % 2 === 0 ? a : c) * 256 + b;
        pairs[pair] = (pairs[pair] ?? 0) + 1;
        for (const [which, value] of [a, b, c].entries()) {
          const counts = singles[which] ?? assert.fail();
          counts[value] = (counts[value] ?? 0) + 1;
        }
      }
    }
    for (const counts of singles) assert.ok(chiSquare(counts) < BOUND_OF_BYTES);
    assert.ok(chiSquare(pairs) < BOUND_OF_PAIRS);
  }
});

test("what is no sharing is refused: too few, too many, no numbers, nothing to split", () => {
  const secret = Buffer.alloc(32);
  for (const [shares, threshold] of [
    [0, 0],
    [2, 1],
    [1, 2],
    [3, 4],
    [3, 0],
    [3, -1],
    [256, 2],
    [256, 256],
    [3, 2.5],
    [2.5, 2],
    [Number.NaN, 2],
    [3, Number.NaN],
    [Number.POSITIVE_INFINITY, 2],
  ] as const) {
    assert.equal(isSharing(shares, threshold), false, `${threshold} of ${shares}`);
    assert.throws(() => splitSecret(secret, shares, threshold), RangeError);
  }
  assert.throws(() => splitSecret(Buffer.alloc(0), 3, 2), RangeError);
});

test("what is no set of shares is refused: none, a repeated index, an index outside, lengths that differ", () => {
  const value = Buffer.alloc(32);
  const wrong: readonly (readonly Point[])[] = [
    [],
    [
      { index: 1, value },
      { index: 1, value },
    ],
    [
      { index: 0, value },
      { index: 1, value },
    ],
    [
      { index: 256, value },
      { index: 1, value },
    ],
    [
      { index: 1.5, value },
      { index: 1, value },
    ],
    [
      { index: 1, value },
      { index: 2, value: value.subarray(1) },
    ],
    [{ index: 1, value: Buffer.alloc(0) }],
  ];
  for (const some of wrong) assert.throws(() => combineShares(some), RangeError);
});
