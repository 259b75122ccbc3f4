import type { MakeStreamCipher } from "./stream-cipher.ts";
import { importCipherKey, open, seal } from "./webcrypto.ts";

/** By WebCrypto, which every runtime has. */
export const makeWebStreamCipher: MakeStreamCipher = async (bytes) => {
  const key = await importCipherKey(bytes);
  return {
    seal: async (nonce, plaintext) => [await seal(key, nonce, plaintext)],
    open: (nonce, sealed) => open(key, nonce, sealed),
  };
};
