import type { KeyType } from "../key-type.ts";
import { makeKeyInTurn } from "../pool.ts";
import { RSA_OAEP_CIPHERS } from "../rsa-oaep.ts";
import { RSA_SIGNATURES } from "../signatures/rsa.ts";
import { keyPair } from "./key-pair.ts";
import { checkedRsaKey } from "./rsa-import.ts";

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
    generate: () => makeKeyInTurn(pair.generate),
    accept: (format, material) => checkedRsaKey(modulusLength, pair.accept(format, material)),
    ciphers: RSA_OAEP_CIPHERS,
    signatures: RSA_SIGNATURES,
  };
}
