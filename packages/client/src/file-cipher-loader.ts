/**
 * Loads what encrypts and decrypts files: `encryptFile` and `decryptFile`. They need Node's cryptography and streams, so
 * that browsers, which lack both, load this module and not those.
 */
export function loadFileCipher(): Promise<typeof import("./file/file-cipher.ts")> {
  return import("./file/file-cipher.ts");
}
