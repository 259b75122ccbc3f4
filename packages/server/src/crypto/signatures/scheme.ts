import type { KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { onDigestThread } from "../digest-thread.ts";
import type { SignatureInput } from "../key-type.ts";
import { inPool } from "../pool.ts";
import {
  type CheckingJob,
  carryOut,
  carryOutOnPool,
  type JobResult,
  type SignatureJob,
  type SigningJob,
} from "../signing-job.ts";

/** The largest message that is hashed on the calling thread, in bytes: 0.05 ms for the slowest hash. */
const SHORT_MESSAGE = 16 * 1024;

/** Which keys an algorithm serves, and how long they take. */
export interface SchemeKeys {
  /** As `KeyObject.asymmetricKeyType`. */
  readonly family: string;
  /** OpenSSL's name of the curve that an ECDSA algorithm is bound to. */
  readonly curve?: string;
  /** Whether signing or verifying a short message takes 0.15 ms or more, and so goes to another thread. */
  readonly slow: boolean;
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

/** Makes a signature: at once with a quick key. @throws Error when OpenSSL refuses. */
export function make(keys: SchemeKeys, job: SigningJob): Buffer | Promise<Buffer> {
  return carryOutWhereItFits(keys, job) as Buffer | Promise<Buffer>;
}

/** Checks a signature: at once with a quick key. @returns false for one that is wrong in whatever way. */
export function check(keys: SchemeKeys, job: CheckingJob): boolean | Promise<boolean> {
  return carryOutWhereItFits(keys, job) as boolean | Promise<boolean>;
}

function carryOutWhereItFits({ slow }: SchemeKeys, job: SignatureJob): JobResult | Promise<JobResult> {
  if (!slow && job.input.length <= SHORT_MESSAGE) {
    return carryOut(job);
  }
  return inPool(() => (job.kind === "message" ? carryOutOnPool(job) : onDigestThread(job)));
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

/** What a job is given: a message as it is, a digest once it is known to be one. @throws as `checkedDigest` */
export function checkedInput(hash: SignatureHash, { kind, bytes }: SignatureInput): Uint8Array {
  return kind === "digest" ? checkedDigest(hash, bytes) : bytes;
}

/** @throws BunkmsError `wrong_key_usage`: the algorithm signs messages only, there is no digest of its own. */
export function noDigest(): never {
  throw new BunkmsError("wrong_key_usage", "the algorithm signs messages, not digests");
}
