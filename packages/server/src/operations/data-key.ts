import type { GenerateDataKeyRequest } from "@bunkms/contract";
import { encodeText } from "../crypto/ciphertext.ts";
import { randomBytes } from "../crypto/random.ts";
import { additionalData } from "./binding.ts";
import { dataCipher } from "./data-cipher.ts";
import type { CallContext } from "./operation.ts";

const DEFAULT_BYTES = 32;

/** A fresh data key. Whoever does not hand it out zeroes `plaintext`. */
export interface DataKey {
  readonly plaintext: Buffer;
  readonly ciphertext: string;
  readonly version: number;
}

/** Makes a random data key and wraps it by encrypting it as any data. */
export async function makeDataKey({ vault }: CallContext, request: GenerateDataKeyRequest): Promise<DataKey> {
  const key = await vault.keys.get(request.name);
  const cipher = dataCipher(key);
  const version = await vault.keys.openLatest(key);
  const aad = additionalData(request);
  const plaintext = randomBytes(request.bytes || DEFAULT_BYTES);
  return {
    plaintext,
    ciphertext: encodeText((await cipher.encrypt(version, plaintext, aad)).ciphertext),
    version: version.version,
  };
}
