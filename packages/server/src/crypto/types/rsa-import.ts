import { DER_INTEGER, derSequence } from "../der.ts";
import { wipe } from "../kdf.ts";
import type { GeneratedKey } from "../key-type.ts";
import { partsMatch } from "../openssl-key.ts";
import { invalidMaterial } from "./key-pair.ts";
import { privateKeyOf } from "./pkcs8.ts";

/** Bytes at the head of the primes by which they must differ. */
const APART = 12;

/**
 * Checks what OpenSSL does not when it reads an RSA key, by the form of its numbers alone (FIPS 186-5 sections A.1.1 and
 * A.1.3): a key of a modulus that looks like any other can be one that anybody factors. Then, which takes 0.03 to 0.2 s
 * for numbers of these lengths, and seconds for others, that the numbers belong together.
 *
 * @param modulusLength In bits, a multiple of 16; the caller has checked that the key is of that length.
 * @param given As OpenSSL writes it. Zeroed where it is refused.
 * @throws BunkmsError `invalid_key_material` with the reason.
 */
export function checkedRsaKey(modulusLength: number, given: GeneratedKey): GeneratedKey {
  const why = faultOf(modulusLength, given.material);
  if (why === undefined) return given;
  wipe(given.material);
  throw invalidMaterial(why);
}

function faultOf(modulusLength: number, pkcs8: Buffer): string | undefined {
  // RFC 8017 appendix A.1.2. Version 0 is a key of two primes: the security of more has no standard at these lengths.
  const elements = derSequence(privateKeyOf(pkcs8) ?? pkcs8) ?? [];
  const [version, n, e, d, p, q, ...others] = elements.map(({ tag, content }) => number(tag, content));
  if (!version || !n || !e || !d || !p || !q || others.length < 3) return "the key material is not an RSA key";
  if (version.length > 0 || others.length > 3) return "an RSA key must have two primes";
  // An odd number of 3 bytes or more is 65537 or more. The upper bound is OpenSSL's for large moduli (RSA_public_encrypt).
  const isExponent = e.length >= 3 && e.length <= 8 && ((e.at(-1) ?? 0) & 1) === 1;
  if (!isExponent) return "the public exponent of an RSA key must be odd, at least 65537, and below 2^64";
  const half = modulusLength / 16;
  const isHalf = (prime: Uint8Array) => prime.length === half && (prime[0] ?? 0) >= 0x80;
  if (!isHalf(p) || !isHalf(q)) return `the two primes of the RSA key must have ${8 * half} bits each`;
  if (!areApart(p, q)) return "the two primes of the RSA key are too close to each other";
  // A shorter one can be found from the public key (Wiener 1990). With e below 2^64, those modulo p - 1 and q - 1 are long
  // by themselves. OpenSSL does not take one that is longer than the modulus.
  if (d.length <= half) return "the private exponent of the RSA key must be longer than half the modulus";
  // Primes that are none, or an exponent that is not the other's inverse, would come to light as wrong signatures: one of
  // them by a wrong prime's share gives the other prime away.
  return partsMatch(pkcs8) ? undefined : "the parts of the RSA key do not belong together";
}

/** The bytes of a number that is not negative, without the zero that keeps it so: none for 0. */
function number(tag: number, content: Uint8Array): Uint8Array | undefined {
  if (tag !== DER_INTEGER || content.length === 0 || (content[0] ?? 0) >= 0x80) return undefined;
  return content[0] === 0 ? content.subarray(1) : content;
}

/**
 * Whether the first 96 bits of two primes, as numbers, differ by 2 or more: then the primes differ by more than 2^-96 of
 * their length, and FIPS 186-5 section A.1.3 step 5.4 asks for 2^-100. Fewer than one in 2^92 honest pairs are refused.
 *
 * This does compute with bytes of secrets. It takes the same steps whatever they are, and of the primes tells no more than
 * its answer: they are either far apart, as nearly all are, or the key is refused.
 */
function areApart(p: Uint8Array, q: Uint8Array): boolean {
  let difference = 0;
  // Once it is 2 or more, in whichever direction, later bytes cannot bring it back below.
  for (let i = 0; i < APART; i++) {
    difference = Math.max(-2, Math.min(2, 256 * difference + (p[i] ?? 0) - (q[i] ?? 0)));
  }
  return Math.abs(difference) === 2;
}
