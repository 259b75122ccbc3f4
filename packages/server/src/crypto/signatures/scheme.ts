import { type KeyObject, sign, verify } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { inPool } from "../pool.ts";

/** The largest message that is hashed on the calling thread, in bytes: 0.05 ms for the slowest hash. */
const SHORT_MESSAGE = 16 * 1024;

/** Which keys an algorithm serves, and how long they take. */
export interface SchemeKeys {
  /** As `KeyObject.asymmetricKeyType`. */
  readonly family: string;
  /** OpenSSL's name of the curve that an ECDSA algorithm is bound to. */
  readonly curve?: string;
  /** Whether signing or verifying a short message takes 0.15 ms or more, and so goes to the thread pool. */
  readonly slow: boolean;
}

/** What `sign` and `verify` of `node:crypto` take beside the key. */
export interface NodeOptions {
  readonly padding?: number;
  readonly saltLength?: number;
  readonly context?: Uint8Array;
}

/**
 * An algorithm serves the keys of its own family and curve only, whatever a request or a stored record says.
 * @throws BunkmsError `wrong_key_usage`
 */
export function requireFit({ family, curve }: SchemeKeys, key: KeyObject, type: "private" | "public"): void {
  const fits =
    key.type === type &&
    key.asymmetricKeyType === family &&
    (curve === undefined || key.asymmetricKeyDetails?.namedCurve === curve);
  if (!fits) throw new BunkmsError("wrong_key_usage");
}

/**
 * Signs a message.
 * @param hash Null where the algorithm does its own hashing (EdDSA, ML-DSA, SLH-DSA).
 * @returns The signature, of ECDSA as DER.
 */
export async function signMessage(
  { slow }: SchemeKeys,
  hash: string | null,
  key: KeyObject,
  message: Uint8Array,
  options: NodeOptions = {},
): Promise<Buffer> {
  if (!slow && message.length <= SHORT_MESSAGE) return sign(hash, message, { key, ...options });
  const job = () =>
    new Promise<Buffer>((resolve, reject) => {
      sign(hash, message, { key, ...options }, (error, signature) => (error ? reject(error) : resolve(signature)));
    });
  return inPool(job);
}

/** The counterpart of `signMessage`. @returns false for a signature that is wrong in whatever way. */
export async function verifyMessage(
  { slow }: SchemeKeys,
  hash: string | null,
  key: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
  options: NodeOptions = {},
): Promise<boolean> {
  if (!slow && message.length <= SHORT_MESSAGE) return verify(hash, message, { key, ...options }, signature);
  const job = () =>
    new Promise<boolean>((resolve, reject) => {
      verify(hash, message, { key, ...options }, signature, (error, valid) => (error ? reject(error) : resolve(valid)));
    });
  return inPool(job);
}

/** Bytes of each hash's output (FIPS 180-4). */
const DIGEST_LENGTHS = { sha256: 32, sha384: 48, sha512: 64 } as const;

/** The hashes that signatures are made with. */
export type SignatureHash = keyof typeof DIGEST_LENGTHS;

/** @throws BunkmsError `invalid_digest_length` when the digest is not as long as the hash's output. */
export function checkedDigest(hash: SignatureHash, digest: Uint8Array): Uint8Array {
  if (digest.length !== DIGEST_LENGTHS[hash]) throw new BunkmsError("invalid_digest_length");
  return digest;
}

/** @throws BunkmsError `wrong_key_usage`: the algorithm signs messages only, there is no digest of its own. */
export function noDigest(): never {
  throw new BunkmsError("wrong_key_usage", "the algorithm signs messages, not digests");
}
