import { aeadCipher, deterministicCipher, RANDOM_NONCE_BUDGET, SIV_BUDGET } from "../aead-cipher.ts";
import { CommittingCipher } from "../committing-cipher.ts";
import type { KeyType } from "../key-type.ts";
import { AES_128_GCM, AES_256_GCM, AES_256_GCM_SIV, AES_256_GCM_SIV_DETERMINISTIC } from "../suites.ts";
import { XAES_CIPHER } from "../xaes-cipher.ts";
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
    exportedAs: "AES-256-GCM",
    derivable: true,
    forget: (keyId) => committing.forget(keyId),
  },
  {
    name: "xaes-256-gcm",
    standard: "C2SP XAES-256-GCM",
    purposes: ["encrypt", "wrap"],
    ...secretKeyOf("xaes-256-gcm", 32),
    ciphers: [XAES_CIPHER],
    derivable: true,
  },
  {
    name: "aes-256-gcm",
    standard: "FIPS 197, SP 800-38D",
    purposes: ["encrypt", "wrap"],
    ...secretKeyOf("aes-256-gcm", 32),
    ciphers: [aeadCipher({ suite: AES_256_GCM, aead: "aes-256-gcm", budget: RANDOM_NONCE_BUDGET })],
    derivable: true,
  },
  {
    name: "aes-128-gcm",
    standard: "FIPS 197, SP 800-38D",
    purposes: ["encrypt", "wrap"],
    ...secretKeyOf("aes-128-gcm", 16),
    ciphers: [aeadCipher({ suite: AES_128_GCM, aead: "aes-128-gcm", budget: RANDOM_NONCE_BUDGET })],
    derivable: true,
  },
  {
    name: "aes-256-gcm-siv",
    standard: "RFC 8452",
    purposes: ["encrypt", "wrap"],
    ...secretKeyOf("aes-256-gcm-siv", 32),
    ciphers: [
      aeadCipher({ suite: AES_256_GCM_SIV, aead: "aes-256-gcm-siv", budget: SIV_BUDGET }),
      deterministicCipher(AES_256_GCM_SIV_DETERMINISTIC),
    ],
    derivable: true,
  },
];
