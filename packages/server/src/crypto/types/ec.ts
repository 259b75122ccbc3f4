import type { KeyType, SignatureAlgorithm } from "../key-type.ts";
import { P256_SIGNATURES, P384_SIGNATURES } from "../signatures.ts";
import { keyPair } from "./key-pair.ts";

/** Keys on the curves of NIST (SP 800-186). */
export const EC_TYPES: readonly KeyType[] = [
  ecdsa("ecdsa-p256", "prime256v1", P256_SIGNATURES),
  ecdsa("ecdsa-p384", "secp384r1", P384_SIGNATURES),
];

function ecdsa(name: string, namedCurve: string, signatures: readonly SignatureAlgorithm[]): KeyType {
  return {
    name,
    standard: "FIPS 186-5",
    purposes: ["sign"],
    ...keyPair({
      name,
      generate: { type: "ec", options: { namedCurve } },
      fits: (key) => key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === namedCurve,
      must: `must be on the curve ${namedCurve}`,
    }),
    signatures,
  };
}
