import type { KeyType, SignatureAlgorithm } from "../key-type.ts";
import { ED25519PH_SIGNATURE } from "../signatures/ed25519ph.ts";
import { pureSignature } from "../signatures/pure.ts";
import { keyPair, rawPrivateKey } from "./key-pair.ts";

/**
 * Edwards-curve signatures (RFC 8032). A raw private key is the standard's own: 32 and 57 random bytes (sections 5.1.5,
 * 5.2.5). One key may sign by both Ed25519 and Ed25519ph: the second begins its hash with a text that separates the two
 * (section 2, dom2).
 */
export const EDWARDS_TYPES: readonly KeyType[] = [
  edwards("ed25519", 32, [pureSignature("ed25519", 0, false), ED25519PH_SIGNATURE]),
  edwards("ed448", 57, [pureSignature("ed448", 255, true)]),
];

function edwards(name: string, length: number, signatures: readonly SignatureAlgorithm[]): KeyType {
  return {
    name,
    standard: "RFC 8032",
    purposes: ["sign"],
    ...keyPair({
      name,
      generate: { type: name },
      fits: (key) => key.asymmetricKeyType === name,
      must: `must be on the curve of ${name}`,
      fromRaw: rawPrivateKey(name, "raw-private", length),
    }),
    signatures: Object.freeze(signatures),
  };
}
