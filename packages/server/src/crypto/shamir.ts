import { wipe } from "./kdf.ts";
import { fillRandom } from "./random.ts";

/** The most shares: the field has 255 x-coordinates besides 0, where the secret is. */
export const MAX_SHARES = 255;

/** One share: the values at one x-coordinate of the polynomials, one for each byte of the secret. */
export interface Point {
  /** The x-coordinate, 1 to 255. Public. */
  readonly index: number;
  /** As long as the secret. As secret as the secret is. */
  readonly value: Uint8Array;
}

/**
 * Splits a secret by Shamir's scheme ("How to Share a Secret", CACM 22(11), 1979), byte by byte, over the field GF(2^8) of
 * FIPS 197 section 4: any `threshold` of the shares give it back, fewer tell nothing of it but its length.
 *
 * @param shares How many, at most {@link MAX_SHARES}.
 * @param threshold 2 to `shares`; or 1 of 1, where the one share is the secret itself.
 * @returns The values of the shares; that at `i` has the index `i` + 1. The caller zeroes them.
 * @throws RangeError for other numbers, or an empty secret.
 */
export function splitSecret(secret: Uint8Array, shares: number, threshold: number): Buffer[] {
  if (!isSharing(shares, threshold))
    throw new RangeError(`a secret is not split into ${shares} shares, ${threshold} needed`);
  if (secret.length === 0) throw new RangeError("there is nothing to split");
  // Uniform over 0..255, the leading ones too. To draw a leading zero again, as some do "so that the degree is right",
  // would tell whoever has all shares but one that one value of 256 is not the secret's byte.
  const coefficients = Buffer.allocUnsafeSlow((threshold - 1) * secret.length);
  try {
    fillRandom(coefficients);
    return Array.from({ length: shares }, (_, at) => evaluate(secret, coefficients, at + 1));
  } finally {
    wipe(coefficients);
  }
}

/**
 * Puts a secret together: Lagrange interpolation at 0.
 *
 * Nothing here can tell whether the shares are right, belong together or are enough: wrong ones give a wrong secret. The
 * caller knows, before and after.
 *
 * @param points As many as the threshold, or more.
 * @returns The secret, which the caller zeroes.
 * @throws RangeError when there are none, an index is not of 1 to 255 or there twice, or the lengths differ.
 */
export function combineShares(points: readonly Point[]): Buffer {
  const length = points[0]?.value.length ?? 0;
  const isSound = points.every(({ index, value }) => isIndex(index) && value.length === length);
  if (!isSound || length === 0 || new Set(points.map(({ index }) => index)).size !== points.length) {
    throw new RangeError("these shares cannot be put together");
  }
  const secret = Buffer.alloc(length);
  for (const point of points) {
    const weight = weightAtZero(point, points);
    for (let at = 0; at < length; at++) {
      secret[at] = byteAt(secret, at) ^ multiply(byteAt(point.value, at), weight);
    }
  }
  return secret;
}

/** Whether a secret can be split so: see {@link splitSecret}. */
export function isSharing(shares: number, threshold: number): boolean {
  if (!isIndex(shares) || !isIndex(threshold) || threshold > shares) return false;
  return threshold > 1 || shares === 1;
}

function isIndex(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_SHARES;
}

/** Horner's rule. Of each byte the coefficients lie together, that of x first. */
function evaluate(secret: Uint8Array, coefficients: Uint8Array, x: number): Buffer {
  const degree = coefficients.length / secret.length;
  const value = Buffer.allocUnsafeSlow(secret.length);
  for (let at = 0; at < secret.length; at++) {
    let y = 0;
    for (let k = degree - 1; k >= 0; k--) {
      y = multiply(y ^ byteAt(coefficients, at * degree + k), x);
    }
    value[at] = y ^ byteAt(secret, at);
  }
  return value;
}

/** The factor of a share's value in the secret. It depends on the indices of the shares alone, which are public. */
function weightAtZero(own: Point, points: readonly Point[]): number {
  let numerator = 1;
  let denominator = 1;
  for (const { index } of points) {
    if (index === own.index) continue;
    numerator = multiply(numerator, index);
    denominator = multiply(denominator, index ^ own.index);
  }
  return multiply(numerator, inverse(denominator));
}

/** x^254, which is 1/x (FIPS 197 section 4.4), by squaring: 254 is 2 + 4 + 8 + … + 128. */
function inverse(x: number): number {
  let square = x;
  let product = 1;
  for (let bit = 1; bit < 8; bit++) {
    square = multiply(square, square);
    product = multiply(product, square);
  }
  return product;
}

/**
 * The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2).
 *
 * Tables of logarithms are the usual way and are quicker. But which line of the table is in the cache afterwards tells of
 * the secret that was looked up (CVE-2023-25000, Vault's Shamir arithmetic). So here are eight equal rounds of
 * shifts and masks: no table, and no branch that a value decides. `0 - bit` is the mask, all ones or zero; `-bit` would be
 * the float -0 for a bit of 0, and float arithmetic takes another path in the engine. All numbers stay below 2^31, so that
 * V8 keeps them as small integers and never on its heap. The argument is for the code as it stands and for V8's compilers
 * as they are; JavaScript promises nothing about time.
 */
function multiply(a: number, b: number): number {
  let factor = a;
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    product ^= factor & (0 - ((b >> bit) & 1));
    factor = (factor << 1) ^ (0x11b & (0 - (factor >> 7)));
  }
  return product;
}

/** `at` is public, and within the bytes. */
function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}
