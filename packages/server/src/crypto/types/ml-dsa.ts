import type { KeyType } from "../key-type.ts";
import { pureSignature } from "../signatures/pure.ts";
import { seededKeyPair } from "./seeded-key-pair.ts";

/** ML-DSA (FIPS 204). Its seed is ξ, 32 bytes. */
export const ML_DSA_TYPES: readonly KeyType[] = ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"].map(mlDsa);

function mlDsa(name: string): KeyType {
  return {
    name,
    standard: "FIPS 204",
    purposes: ["sign"],
    ...seededKeyPair(name, 32),
    signatures: Object.freeze([pureSignature(name, 255, true)]),
  };
}
