import { constants, type KeyObject, sign, verify } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { type DigestScheme, signDigest, verifyDigest } from "./digest-signature.ts";
import type { SignatureAlgorithm, SignatureInput } from "./key-type.ts";

type Hash = keyof typeof DIGEST_LENGTHS;

/** Bytes of each hash's output (FIPS 180-4). */
const DIGEST_LENGTHS = { sha256: 32, sha384: 48, sha512: 64 } as const;

/** What tells one algorithm from another. */
interface Scheme extends DigestScheme {
  readonly name: string;
  /** As `KeyObject.asymmetricKeyType`. */
  readonly family: "rsa" | "ec";
  /** OpenSSL's name of the curve that an ECDSA algorithm is bound to. */
  readonly curve?: string;
  /** Whether signing and verifying take so long (0.2 ms and more) that they go to the thread pool. */
  readonly slow: boolean;
}

const pss = (hash: Hash): SignatureAlgorithm =>
  algorithm({
    name: `rsa-pss-${hash}`,
    hash,
    family: "rsa",
    padding: constants.RSA_PKCS1_PSS_PADDING,
    // The salt is as long as the hash, when signing and when verifying; MGF1 uses the same hash (RFC 8017 section 9.1).
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    slow: true,
  });

const pkcs1 = (hash: Hash): SignatureAlgorithm =>
  algorithm({ name: `rsa-pkcs1-${hash}`, hash, family: "rsa", padding: constants.RSA_PKCS1_PADDING, slow: true });

/** RSASSA-PSS (RFC 8017 section 8.1), then RSASSA-PKCS1-v1_5 (section 8.2) for those who need it. */
export const RSA_SIGNATURES: readonly SignatureAlgorithm[] = Object.freeze([
  pss("sha256"),
  pss("sha384"),
  pss("sha512"),
  pkcs1("sha256"),
  pkcs1("sha384"),
  pkcs1("sha512"),
]);

/** ECDSA (FIPS 186-5 section 6) on P-256; signatures are DER (RFC 3279 section 2.2.3). */
export const P256_SIGNATURES: readonly SignatureAlgorithm[] = Object.freeze([
  algorithm({ name: "ecdsa-sha256", hash: "sha256", family: "ec", curve: "prime256v1", slow: false }),
]);

/** ECDSA (FIPS 186-5 section 6) on P-384; signatures are DER (RFC 3279 section 2.2.3). */
export const P384_SIGNATURES: readonly SignatureAlgorithm[] = Object.freeze([
  algorithm({ name: "ecdsa-sha384", hash: "sha384", family: "ec", curve: "secp384r1", slow: true }),
]);

function algorithm(scheme: Scheme): SignatureAlgorithm {
  return Object.freeze({
    name: scheme.name,
    hash: scheme.hash,
    encodings: Object.freeze([scheme.family === "ec" ? "der" : "raw"] as const),
    contextLength: 0,
    async sign(key: KeyObject, input: SignatureInput): Promise<Buffer> {
      requireFit(scheme, key, "private");
      if (input.kind === "digest") return signDigest(scheme, key, checkedDigest(scheme.hash, input.bytes));
      const options = nodeOptions(scheme, key);
      if (!scheme.slow) return sign(scheme.hash, input.bytes, options);
      return new Promise<Buffer>((resolve, reject) => {
        sign(scheme.hash, input.bytes, options, (error, signature) => (error ? reject(error) : resolve(signature)));
      });
    },
    async verify(publicKey: KeyObject, input: SignatureInput, signature: Uint8Array): Promise<boolean> {
      requireFit(scheme, publicKey, "public");
      if (input.kind === "digest") {
        return verifyDigest(scheme, publicKey, checkedDigest(scheme.hash, input.bytes), signature);
      }
      const options = nodeOptions(scheme, publicKey);
      if (!scheme.slow) return verify(scheme.hash, input.bytes, options, signature);
      return new Promise<boolean>((resolve, reject) => {
        verify(scheme.hash, input.bytes, options, signature, (error, valid) =>
          error ? reject(error) : resolve(valid),
        );
      });
    },
  });
}

/** An algorithm serves the keys of its own family and curve only, whatever a request or a stored record says. */
function requireFit(scheme: Scheme, key: KeyObject, type: "private" | "public"): void {
  const fits =
    key.type === type &&
    key.asymmetricKeyType === scheme.family &&
    (scheme.curve === undefined || key.asymmetricKeyDetails?.namedCurve === scheme.curve);
  if (!fits) throw new BunkmsError("wrong_key_usage");
}

function checkedDigest(hash: Hash, digest: Uint8Array): Uint8Array {
  if (digest.length !== DIGEST_LENGTHS[hash]) throw new BunkmsError("invalid_digest_length");
  return digest;
}

function nodeOptions({ padding, saltLength }: Scheme, key: KeyObject) {
  if (padding === undefined) return { key, dsaEncoding: "der" } as const;
  return saltLength === undefined ? { key, padding } : { key, padding, saltLength };
}
