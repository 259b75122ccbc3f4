import type { SignatureAlgorithm } from "../key-type.ts";
import { whenDone } from "../when-done.ts";
import { derToP1363, hasLowS, p1363ToDer, withLowS } from "./ecdsa-encoding.ts";
import { check, checkedInput, make, requireFit, type SignatureHash } from "./scheme.ts";

/** A curve that ECDSA works on. */
export interface EcdsaCurve {
  /** As OpenSSL calls it. */
  readonly namedCurve: string;
  /** Bytes of each of r and s. */
  readonly size: number;
  /** Whether signing or verifying takes 0.15 ms or more. */
  readonly slow: boolean;
}

/** The order n of secp256k1's group (SEC 2 section 2.4.1). */
const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * ECDSA (FIPS 186-5 section 6) with SHA-2. Signatures are DER (RFC 3279 section 2.2.3) or r ‖ s (IEEE P1363).
 * @param hashes The first is the default; it is as strong as the curve.
 */
export function ecdsaSignatures(curve: EcdsaCurve, hashes: readonly SignatureHash[]): readonly SignatureAlgorithm[] {
  return Object.freeze(hashes.map((hash) => ecdsa(`ecdsa-${hash}`, curve, hash)));
}

/**
 * ECDSA on secp256k1 that makes and takes signatures with s ≤ n/2 only, so that nobody can make a second signature of
 * one that he sees (BIP 146).
 */
export function lowSSignature(curve: EcdsaCurve): SignatureAlgorithm {
  return ecdsa("ecdsa-sha256-low-s", curve, "sha256", SECP256K1_ORDER);
}

/** @param lowIn The group's order, where s must be low. */
function ecdsa(name: string, curve: EcdsaCurve, hash: SignatureHash, lowIn?: bigint): SignatureAlgorithm {
  const { size } = curve;
  const keys = { family: "ec", curve: curve.namedCurve, slow: curve.slow };
  const scheme = { hash };
  return Object.freeze<SignatureAlgorithm>({
    name,
    hash,
    encodings: Object.freeze(["der", "p1363"] as const),
    contextLength: 0,
    sign(key, input, options) {
      requireFit(keys, key, "private");
      const job = { kind: input.kind, key, input: checkedInput(hash, input), scheme } as const;
      return whenDone(make(keys, job), (der) => {
        const asDer = options?.encoding !== "p1363";
        if (asDer && lowIn === undefined) return der;
        const drawn = derToP1363(der, size);
        const p1363 = lowIn === undefined ? drawn : withLowS(drawn, lowIn);
        return asDer ? (p1363ToDer(p1363, size) as Buffer) : p1363;
      });
    },
    verify(publicKey, input, signature, options) {
      requireFit(keys, publicKey, "public");
      const checked = checkedInput(hash, input);
      const der = options?.encoding === "p1363" ? p1363ToDer(signature, size) : signature;
      if (der === undefined) return false;
      const job = { kind: input.kind, key: publicKey, input: checked, signature: der, scheme } as const;
      // Only then is it known that this is DER of numbers in range, which derToP1363 relies on.
      const isLow = () => lowIn === undefined || hasLowS(derToP1363(der, size), lowIn);
      return whenDone(check(keys, job), (valid) => valid && isLow());
    },
  });
}
