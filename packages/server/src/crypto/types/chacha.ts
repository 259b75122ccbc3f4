import { aeadCipher, RANDOM_NONCE_BUDGET } from "../aead-cipher.ts";
import type { KeyType } from "../key-type.ts";
import { CHACHA20_POLY1305 } from "../suites.ts";
import { secretKeyOf } from "./secret-key.ts";

/** Types for encrypting data with ChaCha20-Poly1305. */
export const CHACHA_TYPES: readonly KeyType[] = [
  {
    name: "chacha20-poly1305",
    standard: "RFC 8439",
    purposes: ["encrypt", "wrap"],
    ...secretKeyOf("chacha20-poly1305", 32),
    ciphers: [aeadCipher({ suite: CHACHA20_POLY1305, aead: "chacha20-poly1305", budget: RANDOM_NONCE_BUDGET })],
    derivable: true,
  },
];
