import assert from "node:assert/strict";
import { checkPrimeSync, generatePrimeSync } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { der, derInteger } from "../../../../../test/vectors/der-writing.ts";
import { findKeyType } from "../key-types.ts";

const RSA = Buffer.from("300d06092a864886f70d0101010500", "hex");
const E = 65_537n;

/** Numbers of an RSA key that a test gives otherwise than they follow from the primes. */
interface Numbers {
  readonly e: bigint;
  readonly d: bigint;
}

/** Arithmetic in the open: these keys are of the tests. */
function pkcs8(p: bigint, q: bigint, given: Partial<Numbers> = {}): Buffer {
  const { e = E } = given;
  const lambda = ((p - 1n) * (q - 1n)) / gcd(p - 1n, q - 1n);
  const d = given.d ?? inverse(e, lambda);
  const numbers = [0n, p * q, e, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)];
  return der(0x30, derInteger(0n), RSA, der(4, der(0x30, ...numbers.map(derInteger))));
}

function prime(bits: number): bigint {
  for (;;) {
    const candidate = generatePrimeSync(bits, { bigint: true });
    if ((candidate - 1n) % E !== 0n && (candidate - 1n) % 3n !== 0n) return candidate;
  }
}

function primeFrom(start: bigint): bigint {
  let candidate = start | 1n;
  while (!checkPrimeSync(candidate) || (candidate - 1n) % E === 0n) candidate += 2n;
  return candidate;
}

/** Another prime whose product with `p` has so many bits. */
function partner(p: bigint, bits: number): bigint {
  for (;;) {
    const q = prime(bits - bitsOf(p));
    if (bitsOf(p * q) === bits) return q;
  }
}

const bitsOf = (value: bigint): number => value.toString(2).length;

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function inverse(a: bigint, m: bigint): bigint {
  let [r0, r1, s0, s1] = [((a % m) + m) % m, m, 1n, 0n];
  while (r1 !== 0n) {
    const quotient = r0 / r1;
    [r0, r1, s0, s1] = [r1, r0 - quotient * r1, s1, s0 - quotient * s1];
  }
  return ((s0 % m) + m) % m;
}

const P = prime(1024);
const Q = partner(P, 2048);
const LAMBDA = ((P - 1n) * (Q - 1n)) / gcd(P - 1n, Q - 1n);

const row = findKeyType("rsa-2048") ?? assert.fail();
const accept = (material: Buffer) => row.accept("pkcs8", material);

function refuses(what: string, material: Buffer, why: RegExp): void {
  assert.throws(
    () => accept(material),
    (error) => error instanceof BunkmsError && error.code === "invalid_key_material" && why.test(error.message),
    what,
  );
}

test("an RSA key of two primes of half its length and a usual exponent is taken, whichever way round the primes are", () => {
  for (const [p, q] of [
    [P, Q],
    [Q, P],
  ] as const) {
    const material = pkcs8(p, q);
    const accepted = accept(material);
    assert.deepEqual(accepted.material, material);
  }
  let e = (1n << 64n) - 1n;
  while (gcd(e, LAMBDA) !== 1n) e -= 2n;
  accept(pkcs8(P, Q, { e }));
});

test("an RSA key whose primes are not of half its length each is refused, and at once", () => {
  for (const small of [3n, 7n, ...[16, 256, 1016, 1023].map(prime)]) {
    const large = partner(small, 2048);
    refuses(`${bitsOf(small)} bits`, pkcs8(large, small), /must have 1024 bits each/);
    const times = [1, 2, 3].map(() => {
      const start = performance.now();
      refuses(`${bitsOf(small)} bits`, pkcs8(small, large), /must have 1024 bits each/);
      return performance.now() - start;
    });
    // To find out whether such numbers belong together takes 90 ms and more, of 4096 bits seconds.
    assert.ok(Math.min(...times) < 40, `${times} ms`);
  }
});

test("an RSA key whose primes are close to each other is refused, also where their first bits differ", () => {
  const near = primeFrom(P + 2n);
  refuses("the next prime", pkcs8(near, P), /too close/);
  refuses("the next prime", pkcs8(P, near), /too close/);
  refuses("92 bits alike", pkcs8(primeFrom(P ^ (1n << 927n)), P), /too close/);
  const boundary = (0xe000_0000n << 992n) + (1n << 928n);
  refuses("either side of a boundary", pkcs8(primeFrom(boundary), primeFrom(boundary - 2_000n)), /too close/);
  accept(pkcs8(primeFrom(P ^ (1n << 930n)), P));
});

test("an RSA key whose public exponent is even, below 65537, or 2^64 and more is refused", () => {
  const long = LAMBDA - 2n;
  const wrong = [1n, 2n, 3n, 17n, 257n, 65_535n, 65_536n, 65_538n, 1n << 63n, (1n << 64n) + 1n, long];
  // The other exponent does not matter: this one is looked at first.
  for (const e of wrong) refuses(`e = ${e}`, pkcs8(P, Q, { e, d: E }), /public exponent/);
});

test("an RSA key whose private exponent is short, or longer than the modulus, is refused", () => {
  for (const d of [3n, E, (1n << 512n) + 1n, (1n << 1024n) - 1n]) {
    refuses(`d of ${bitsOf(d)} bits`, pkcs8(P, Q, { d }), /private exponent/);
  }
  refuses("long", pkcs8(P, Q, { d: inverse(E, LAMBDA) + (LAMBDA << 10n) }), /not a private key of the declared format/);
  // Wiener's key: a short private exponent, and the public one that follows from it.
  refuses("Wiener", pkcs8(P, Q, { d: E, e: inverse(E, LAMBDA) }), /public exponent/);
});

test("an RSA key of three primes is refused", () => {
  const [a, b] = [prime(683), prime(683)];
  const c = partner(a * b, 2048);
  const d = inverse(E, (a - 1n) * (b - 1n) * (c - 1n));
  const third = der(0x30, ...[c, d % (c - 1n), inverse(a * b, c)].map(derInteger));
  const numbers = [1n, a * b * c, E, d, a, b, d % (a - 1n), d % (b - 1n), inverse(b, a)];
  const key = der(0x30, ...numbers.map(derInteger), der(0x30, third));
  refuses("three primes", der(0x30, derInteger(0n), RSA, der(4, key)), /must have two primes/);
});

/** The first odd number from here on that is no prime: two primes may be two apart. */
function compositeFrom(start: bigint): bigint {
  let number = start;
  while (checkPrimeSync(number)) number += 2n;
  return number;
}

test("an RSA key whose numbers do not belong together is refused", () => {
  for (const material of [
    pkcs8(P, Q, { d: inverse(E, LAMBDA) + 2n }),
    pkcs8(P, compositeFrom(partner(P, 2048) + 2n)),
  ]) {
    assert.throws(
      () => accept(material),
      (error) => error instanceof BunkmsError && /do not belong together/.test(error.message),
    );
  }
});
