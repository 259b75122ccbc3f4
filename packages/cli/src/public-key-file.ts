import { usage } from "./failure.ts";

const PEM = /-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/;
/** What begins every DER of a SubjectPublicKeyInfo: the tag of a SEQUENCE. */
const SEQUENCE = 0x30;

/**
 * Reads a public key file: PEM (RFC 7468 section 13) or DER. What is in it the server checks.
 * @returns the DER. @throws Failure
 */
export function parsePublicKey(file: Buffer): Buffer {
  const base64 = PEM.exec(file.toString("latin1"))?.[1];
  if (base64 !== undefined) {
    return Buffer.from(base64, "base64");
  }
  if (file[0] !== SEQUENCE) {
    throw usage(
      "the file does not hold a public key",
      'PEM begins with "-----BEGIN PUBLIC KEY-----": openssl pkey -pubout makes it.',
    );
  }
  return file;
}
