import { wipe } from "../kdf.ts";
import type { KeyType } from "../key-type.ts";
import { partsMatch } from "../openssl-key.ts";
import { RSA_OAEP_CIPHERS } from "../rsa-oaep.ts";
import { RSA_SIGNATURES } from "../signatures/rsa.ts";
import { invalidMaterial, keyPair } from "./key-pair.ts";

/** RSA (RFC 8017). The public exponent of a generated key is OpenSSL's default, 65537 (FIPS 186-5 section A.1.1). */
export const RSA_TYPES: readonly KeyType[] = [rsa(2048), rsa(3072), rsa(4096)];

function rsa(modulusLength: 2048 | 3072 | 4096): KeyType {
  const name = `rsa-${modulusLength}`;
  const pair = keyPair({
    name,
    generate: { type: "rsa", options: { modulusLength } },
    fits: (key) => key.asymmetricKeyType === "rsa" && key.asymmetricKeyDetails?.modulusLength === modulusLength,
    must: `must be RSA of ${modulusLength} bits`,
  });
  return {
    name,
    standard: "RFC 8017",
    purposes: ["sign", "encrypt", "wrap"],
    ...pair,
    accept(format, material) {
      const accepted = pair.accept(format, material);
      // Primes that are none, or an exponent that is not the other's inverse, would come to light as wrong signatures:
      // one of them by a wrong prime's share gives the other prime away. Takes 0.03 to 0.2 s.
      if (!partsMatch(accepted.material)) {
        wipe(accepted.material);
        throw invalidMaterial("the parts of the RSA key do not belong together");
      }
      return accepted;
    },
    ciphers: RSA_OAEP_CIPHERS,
    signatures: RSA_SIGNATURES,
  };
}
