import { decapsulate, encapsulate, type KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import type { KeyEncapsulation, KeyType } from "../key-type.ts";
import { reseedOpenssl } from "../random.ts";
import { seededKeyPair } from "./seeded-key-pair.ts";

type Name = "ml-kem-512" | "ml-kem-768" | "ml-kem-1024";

/** ML-KEM (FIPS 203). Its seed is d ‖ z, 64 bytes. The ciphertexts' lengths are those of its table 3. */
export const ML_KEM_TYPES: readonly KeyType[] = [
  mlKem("ml-kem-512", 768),
  mlKem("ml-kem-768", 1088),
  mlKem("ml-kem-1024", 1568),
];

function mlKem(name: Name, ciphertextLength: number): KeyType {
  return {
    name,
    standard: "FIPS 203",
    purposes: ["agree"],
    ...seededKeyPair(name, 64),
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
