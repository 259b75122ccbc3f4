import type { KeyType, SignatureAlgorithm } from "../key-type.ts";
import { type EcdsaCurve, ecdsaSignatures, lowSSignature } from "../signatures/ecdsa.ts";
import { checkedEcKey } from "./ec-import.ts";
import { keyPair } from "./key-pair.ts";

const P256 = { namedCurve: "prime256v1", size: 32, slow: false };
const P384 = { namedCurve: "secp384r1", size: 48, slow: true };
const P521 = { namedCurve: "secp521r1", size: 66, slow: true };
const SECP256K1 = { namedCurve: "secp256k1", size: 32, slow: true };

/** ECDSA keys on the curves of NIST (SP 800-186), and on secp256k1 (SEC 2). */
export const EC_TYPES: readonly KeyType[] = [
  ecdsa("ecdsa-p256", "FIPS 186-5", P256, ecdsaSignatures(P256, ["sha256", "sha384", "sha512"])),
  ecdsa("ecdsa-p384", "FIPS 186-5", P384, ecdsaSignatures(P384, ["sha384", "sha256", "sha512"])),
  ecdsa("ecdsa-p521", "FIPS 186-5", P521, ecdsaSignatures(P521, ["sha512", "sha256", "sha384"])),
  ecdsa("ecdsa-secp256k1", "SEC 2", SECP256K1, [...ecdsaSignatures(SECP256K1, ["sha256"]), lowSSignature(SECP256K1)]),
];

function ecdsa(
  name: string,
  standard: string,
  { namedCurve }: EcdsaCurve,
  signatures: readonly SignatureAlgorithm[],
): KeyType {
  const pair = keyPair({
    name,
    generate: { type: "ec", options: { namedCurve } },
    fits: (key) => key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === namedCurve,
    must: `must be on the named curve ${namedCurve}`,
  });
  return {
    name,
    standard,
    purposes: ["sign"],
    ...pair,
    accept: (format, material) => checkedEcKey(namedCurve, pair.accept(format, material)),
    signatures: Object.freeze(signatures),
  };
}
