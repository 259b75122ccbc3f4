import { wipe } from "../kdf.ts";
import type { KeyType } from "../key-type.ts";
import { pureSignature } from "../signatures/pure.ts";
import { invalidMaterial, keyPair, rawPrivateKey } from "./key-pair.ts";

/** Bytes of a PKCS#8 that holds the seed alone (RFC 9881 section 6): 22 of header and the seed ξ. */
const SEED_PKCS8_LENGTH = 22 + 32;

/** ML-DSA (FIPS 204). The material is PKCS#8 that holds the seed ξ, 32 bytes; the seed is also the raw private key. */
export const ML_DSA_TYPES: readonly KeyType[] = ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"].map(mlDsa);

function mlDsa(name: string): KeyType {
  const pair = keyPair({
    name,
    generate: { type: name },
    fits: (key) => key.asymmetricKeyType === name,
    must: `must be of ${name.toUpperCase()}`,
    fromRaw: rawPrivateKey(name, "raw-seed", 32),
  });
  return {
    name,
    standard: "FIPS 204",
    purposes: ["sign"],
    ...pair,
    accept(format, material) {
      const given = pair.accept(format, material);
      // OpenSSL writes the seed alone wherever it has it, also of a key that came with both. Of an expanded key there is
      // no way back to the seed, and nothing shows that its parts belong together.
      if (given.material.length !== SEED_PKCS8_LENGTH) {
        wipe(given.material);
        throw invalidMaterial(`a key of type ${name} is imported with its seed, not in expanded form only`);
      }
      return given;
    },
    signatures: Object.freeze([pureSignature(name, 255, true)]),
  };
}
