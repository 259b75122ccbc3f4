import { decapsulate, encapsulate, type KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { wipe } from "../kdf.ts";
import type { KeyEncapsulation, KeyType } from "../key-type.ts";
import { reseedOpenssl } from "../random.ts";
import { invalidMaterial, keyPair, rawPrivateKey } from "./key-pair.ts";

type Name = "ml-kem-512" | "ml-kem-768" | "ml-kem-1024";

/** Bytes of a PKCS#8 that holds the seed alone (RFC 9935 section 6): 22 of header and the seed d ‖ z. */
const SEED_PKCS8_LENGTH = 22 + 64;

/** ML-KEM (FIPS 203). The ciphertexts' lengths are those of its table 3. */
export const ML_KEM_TYPES: readonly KeyType[] = [
  mlKem("ml-kem-512", 768),
  mlKem("ml-kem-768", 1088),
  mlKem("ml-kem-1024", 1568),
];

function mlKem(name: Name, ciphertextLength: number): KeyType {
  const pair = keyPair({
    name,
    generate: { type: name },
    fits: (key) => key.asymmetricKeyType === name,
    must: `must be of ${name.toUpperCase()}`,
    fromRaw: rawPrivateKey(name, "raw-seed", 64),
  });
  return {
    name,
    standard: "FIPS 203",
    purposes: ["agree"],
    ...pair,
    accept(format, material) {
      const given = pair.accept(format, material);
      // An expanded key can be made so that its parts do not belong together (FIPS 203 section 7.3 checks a hash only);
      // of a seed there is one key.
      if (given.material.length !== SEED_PKCS8_LENGTH) {
        wipe(given.material);
        throw invalidMaterial(`a key of type ${name} is imported with its seed, not in expanded form only`);
      }
      return given;
    },
    encapsulation: encapsulationOf(name, ciphertextLength),
  };
}

function encapsulationOf(name: Name, ciphertextLength: number): KeyEncapsulation {
  const requireFit = (key: KeyObject, type: "private" | "public"): void => {
    if (key.type !== type || key.asymmetricKeyType !== name) throw new BunkmsError("wrong_key_usage");
  };
  return Object.freeze({
    name,
    ciphertextLength,
    encapsulate(publicKey: KeyObject) {
      requireFit(publicKey, "public");
      // The shared secret is made from OpenSSL's DRBG; clones of this machine must not share secrets (random.ts).
      reseedOpenssl();
      const { sharedKey, ciphertext } = encapsulate(publicKey);
      return { sharedSecret: sharedKey, ciphertext };
    },
    decapsulate(key: KeyObject, ciphertext: Uint8Array): Buffer {
      requireFit(key, "private");
      if (ciphertext.length !== ciphertextLength) throw new BunkmsError("decryption_failed");
      return decapsulate(key, ciphertext);
    },
  });
}
