import { CommittingCipher } from "../ciphertext.ts";
import type { KeyType } from "../key-type.ts";
import { secretKeyOf } from "./secret-key.ts";

const committing = new CommittingCipher();

/** Types for encrypting data with AES. */
export const AES_TYPES: readonly KeyType[] = [
  {
    name: "aes-256",
    standard: "FIPS 197, SP 800-38D, AWS Encryption SDK suite 0x0478",
    purposes: ["encrypt", "wrap"],
    ...secretKeyOf("aes-256", 32),
    ciphers: [committing],
    derivable: true,
    forget: (keyId) => committing.forget(keyId),
  },
];
