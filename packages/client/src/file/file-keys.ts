import { type Bytes, concat, utf8 } from "../crypto/bytes.ts";
import type { MakeStreamCipher, StreamCipher } from "../crypto/stream-cipher.ts";
import { importSecret, KeyDerivation } from "../crypto/webcrypto.ts";

const COMMITMENT_INFO = utf8("bunkms file v1 commitment");
const PAYLOAD_INFO = utf8("bunkms file v1 payload");

/** The keys of one file, from its data key and salt (spec/file.md, "Keys": HKDF-SHA-256, RFC 5869). */
export class FileKeys {
  readonly #derivation: KeyDerivation;

  private constructor(derivation: KeyDerivation) {
    this.#derivation = derivation;
  }

  /** @param dataKey 32 bytes. Zeroed when this is done, also when it fails. */
  static async from(dataKey: Bytes, salt: Bytes): Promise<FileKeys> {
    try {
      return new FileKeys(new KeyDerivation(await importSecret(dataKey), salt, "SHA-256"));
    } finally {
      dataKey.fill(0);
    }
  }

  /** What binds the file to its data key, 32 bytes. It reveals nothing of the payload key, which is an independent output. */
  commitment(): Promise<Bytes> {
    return this.#derivation.bytes(COMMITMENT_INFO);
  }

  /** What seals or opens the segments. Under another header it has another key. @param digest The header's. */
  async payloadCipher(digest: Bytes, makeCipher: MakeStreamCipher): Promise<StreamCipher> {
    const key = await this.#derivation.bytes(concat(PAYLOAD_INFO, digest));
    try {
      return await makeCipher(key);
    } finally {
      key.fill(0);
    }
  }
}
