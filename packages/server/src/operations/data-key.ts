import { encodeText } from "../crypto/ciphertext.ts";
import { randomBytes } from "../crypto/random.ts";
import { whenDone } from "../crypto/when-done.ts";
import { additionalData } from "./binding.ts";
import type { Encryptor } from "./data-cipher.ts";

/** Which data key is wanted. */
type DataKeyRequest = Parameters<typeof additionalData>[0] & { readonly bytes: number };

const DEFAULT_BYTES = 32;

/** A fresh data key. Whoever does not hand it out zeroes `plaintextB64`. */
export interface DataKey {
  readonly plaintextB64: Buffer;
  readonly ciphertext: string;
  readonly version: number;
}

/** How a key is used for making data keys. @param count How many. */
export function dataKeyOrder(keyName: string, count: number) {
  return { keyName, purposes: ["encrypt", "wrap"], version: 0, algorithm: "", count } as const;
}

/** Makes a random data key and wraps it by encrypting it as any data. */
export function makeDataKey({ version, encrypt }: Encryptor, request: DataKeyRequest): DataKey | Promise<DataKey> {
  const aad = additionalData(request);
  const plaintextB64 = randomBytes(request.bytes || DEFAULT_BYTES);
  return whenDone(encrypt(plaintextB64, aad), ({ ciphertext }) => ({
    plaintextB64,
    ciphertext: encodeText(ciphertext),
    version,
  }));
}
