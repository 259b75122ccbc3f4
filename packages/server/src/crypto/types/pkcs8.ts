import { DER_INTEGER, DER_OCTET_STRING, DER_SEQUENCE, type DerElement, derElements, derSequence } from "../der.ts";
import { equal } from "../kdf.ts";

/** The two elements that a PKCS#8 may end with (RFC 5958 section 2): [0] IMPLICIT SET, [1] IMPLICIT BIT STRING. */
const ATTRIBUTES = 0xa0;
const PUBLIC_KEY = 0x81;

/** The parts of a PKCS#8, as views into its bytes. */
interface Pkcs8 {
  /** The content of `privateKeyAlgorithm`. */
  readonly algorithm: Uint8Array;
  /** The content of `privateKey`. */
  readonly privateKey: Uint8Array;
  /** The content of `publicKey`, a BIT STRING; only version 2 has one. */
  readonly publicKey: Uint8Array | undefined;
}

/** What is wrong with a PKCS#8 that OpenSSL could read. */
export type Pkcs8Fault = "not-one-form" | "another-public-key";

/**
 * Whether a PKCS#8 (RFC 5208, RFC 5958) is one in form, and not only to OpenSSL, which also takes BER, bytes after the key
 * and after the private key inside it, and whatever public key stands there.
 *
 * It must be what OpenSSL writes for the same key, except that
 * - it may have attributes, which are dropped: Windows writes one with the key's usage, and here the usage is that of the
 *   record which the key comes into;
 * - it may have a public key (version 2), which must be the private key's own, uncompressed;
 * - the private key itself may be another DER of the same: keys on curves with their public key or without (RFC 5915), and
 *   ML-DSA and ML-KEM with seed and expanded key (RFC 9881, RFC 9935).
 *
 * @param given What a caller sent.
 * @param own What OpenSSL writes for the key that it read there.
 * @param spki Of its public key, as OpenSSL derived it.
 */
export function pkcs8Fault(given: Uint8Array, own: Uint8Array, spki: Uint8Array): Pkcs8Fault | undefined {
  const [theirs, ours] = [partsOf(given), partsOf(own)];
  if (theirs === undefined || ours === undefined || !equal(theirs.algorithm, ours.algorithm)) return "not-one-form";
  const isOneForm = equal(theirs.privateKey, ours.privateKey) || derElements(theirs.privateKey)?.length === 1;
  if (!isOneForm) return "not-one-form";
  if (theirs.publicKey === undefined) return undefined;
  const derived = derSequence(spki)?.[1]?.content;
  return derived !== undefined && equal(theirs.publicKey, derived) ? undefined : "another-public-key";
}

/** The content of `privateKey` in a PKCS#8 that OpenSSL wrote: a view. Undefined if it is none. */
export function privateKeyOf(pkcs8: Uint8Array): Uint8Array | undefined {
  return partsOf(pkcs8)?.privateKey;
}

function partsOf(pkcs8: Uint8Array): Pkcs8 | undefined {
  const [version, algorithm, privateKey, ...others] = derSequence(pkcs8) ?? [];
  const attributes = others[0]?.tag === ATTRIBUTES ? others.shift() : undefined;
  const publicKey = others[0]?.tag === PUBLIC_KEY ? others.shift() : undefined;
  const isOne =
    isNumber(version, publicKey === undefined ? 0 : 1) &&
    algorithm?.tag === DER_SEQUENCE &&
    privateKey?.tag === DER_OCTET_STRING &&
    attributes?.content.length !== 0 &&
    others.length === 0;
  if (!isOne) return undefined;
  return { algorithm: algorithm.content, privateKey: privateKey.content, publicKey: publicKey?.content };
}

function isNumber(element: DerElement | undefined, number: number): boolean {
  return element?.tag === DER_INTEGER && element.content.length === 1 && element.content[0] === number;
}
