import type { Bytes } from "./bytes.ts";

/** AES-256-GCM (NIST SP 800-38D) without additional data and with a 16-byte tag, under one key. */
export interface StreamCipher {
  /** Copies the plaintext before it returns. @returns data and tag, in one piece or two; they are the caller's. */
  seal(nonce: Bytes, plaintext: Bytes): readonly Bytes[] | Promise<readonly Bytes[]>;
  /**
   * Copies what is sealed before it returns.
   * @param sealed data and tag.
   * @returns the plaintext, which is the caller's; undefined when anything is not as it was sealed.
   */
  open(nonce: Bytes, sealed: Bytes): Bytes | undefined | Promise<Bytes | undefined>;
}

/** Makes a cipher. @param key 32 bytes, which stay the caller's, who zeroes them. */
export type MakeStreamCipher = (key: Bytes) => StreamCipher | Promise<StreamCipher>;
