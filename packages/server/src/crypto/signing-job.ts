import { type KeyObject, sign, verify } from "node:crypto";
import { type DigestScheme, signDigest, verifyDigest } from "./digest-signature.ts";

/** What `sign` and `verify` of `node:crypto` take beside key and message. */
export interface MessageScheme {
  /** Null where the algorithm does its own hashing (EdDSA, ML-DSA, SLH-DSA). */
  readonly hash: string | null;
  readonly padding?: number;
  readonly saltLength?: number;
  readonly context?: Uint8Array;
}

/** Whose signature it is: a message's, or that of a digest which the caller has made. */
type Job = (
  | { readonly kind: "message"; readonly scheme: MessageScheme }
  | { readonly kind: "digest"; readonly scheme: DigestScheme }
) & { readonly key: KeyObject; readonly input: Uint8Array };

/** One signature to make: of ECDSA as DER. */
export type SigningJob = Job & { readonly signature?: undefined };

/** One signature to check. */
export type CheckingJob = Job & { readonly signature: Uint8Array };

/** Either of them. */
export type SignatureJob = SigningJob | CheckingJob;

/** What comes of a job: a signature, or whether the one that was given is valid. */
export type JobResult = Buffer | boolean;

/** Does a job on the calling thread. @throws Error when OpenSSL refuses. */
export function carryOut(job: SignatureJob): JobResult {
  const { key, input, signature } = job;
  if (job.kind === "digest") {
    return signature === undefined
      ? signDigest(job.scheme, key, input)
      : verifyDigest(job.scheme, key, input, signature);
  }
  const { hash, ...options } = job.scheme;
  return signature === undefined
    ? sign(hash, input, { key, ...options })
    : verify(hash, input, { key, ...options }, signature);
}

/** Does a job with a message on the thread pool. @throws Error when OpenSSL refuses. */
export function carryOutOnPool(job: SignatureJob & { readonly kind: "message" }): Promise<JobResult> {
  const { key, input, signature } = job;
  const { hash, ...options } = job.scheme;
  return new Promise<JobResult>((resolve, reject) => {
    const done = (error: Error | null, result: JobResult) => (error ? reject(error) : resolve(result));
    if (signature === undefined) {
      sign(hash, input, { key, ...options }, done);
    } else {
      verify(hash, input, { key, ...options }, signature, done);
    }
  });
}
