import { usage } from "./failure.ts";

const PEM = /-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/;
/** What begins every DER of a SubjectPublicKeyInfo: the tag of a SEQUENCE. */
const SEQUENCE = 0x30;
const PEM_LINE = /.{1,64}/g;

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

/** Reads a public key file that may also hold one line of base64, as a field of the API's JSON. @throws Failure */
export function parsePublicKeyOrBase64(file: Buffer): Buffer {
  const text = file.toString("latin1").trim();
  const bytes = Buffer.from(text, "base64");
  return bytes[0] === SEQUENCE && bytes.toString("base64") === text ? bytes : parsePublicKey(file);
}

/** PEM (RFC 7468 section 13) of a SubjectPublicKeyInfo as DER, without a newline at its end. */
export function publicKeyPem(der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(PEM_LINE) ?? [];
  return ["-----BEGIN PUBLIC KEY-----", ...lines, "-----END PUBLIC KEY-----"].join("\n");
}
