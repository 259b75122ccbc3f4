import { wipe } from "../kdf.ts";
import { invalidMaterial, keyPair, rawPrivateKey } from "./key-pair.ts";

/** Bytes of a PKCS#8 before the seed that it holds alone (RFC 9881 section 6, RFC 9935 section 6). */
const HEADER_LENGTH = 22;

/**
 * What is the same for key pairs of ML-DSA and ML-KEM: their material is PKCS#8 that holds the seed alone, and the seed is
 * also the raw private key. OpenSSL writes the seed alone wherever it has it, also of a key that came with both. Of an
 * expanded key there is no way back to the seed, and nothing shows that its parts belong together (FIPS 203 section 7.3
 * checks a hash only); of a seed there is one key.
 *
 * @param name Of the type, and as `KeyObject.asymmetricKeyType`.
 * @param seedLength In bytes.
 */
export function seededKeyPair(
  name: Parameters<typeof rawPrivateKey>[0],
  seedLength: number,
): ReturnType<typeof keyPair> {
  const pair = keyPair({
    name,
    generate: { type: name },
    fits: (key) => key.asymmetricKeyType === name,
    must: `must be of ${name.toUpperCase()}`,
    fromRaw: rawPrivateKey(name, "raw-seed", seedLength),
  });
  return {
    ...pair,
    accept(format, material) {
      const given = pair.accept(format, material);
      if (given.material.length !== HEADER_LENGTH + seedLength) {
        wipe(given.material);
        throw invalidMaterial(`a key of type ${name} is imported with its seed, not in expanded form only`);
      }
      return given;
    },
  };
}
