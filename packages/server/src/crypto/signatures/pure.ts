import type { SignatureAlgorithm } from "../key-type.ts";
import type { MessageScheme } from "../signing-job.ts";
import { check, make, noDigest, requireFit } from "./scheme.ts";

/**
 * The one algorithm of a key type that hashes by itself and signs messages only: EdDSA (RFC 8032), ML-DSA (FIPS 204),
 * SLH-DSA (FIPS 205), the last two in their "pure" and hedged form.
 *
 * @param name Of the key type, of the algorithm, and of the keys as `KeyObject.asymmetricKeyType` has it.
 * @param contextLength The longest context in bytes: 255, or 0 where there is none.
 * @param slow Whether signing or verifying takes 0.15 ms or more.
 */
export function pureSignature(name: string, contextLength: number, slow: boolean): SignatureAlgorithm {
  const keys = { family: name, slow };
  return Object.freeze<SignatureAlgorithm>({
    name,
    encodings: Object.freeze(["raw"] as const),
    contextLength,
    sign(key, input, options) {
      requireFit(keys, key, "private");
      if (input.kind === "digest") noDigest();
      return make(keys, { kind: "message", key, input: input.bytes, scheme: schemeOf(options?.context) });
    },
    verify(publicKey, input, signature, options) {
      requireFit(keys, publicKey, "public");
      if (input.kind === "digest") noDigest();
      const scheme = schemeOf(options?.context);
      return check(keys, { kind: "message", key: publicKey, input: input.bytes, signature, scheme });
    },
  });
}

const schemeOf = (context: Uint8Array | undefined): MessageScheme =>
  context === undefined ? { hash: null } : { hash: null, context };
