import { type Additional, bigEndian, encodeAdditional, pseudorandom } from "./ciphertext-vectors.ts";

/** A key for tests: raw bytes, or a key pair's PKCS#8 DER, in hexadecimal. */
export interface SuiteKey {
  readonly name: string;
  readonly key_type: string;
  readonly material: string;
}

/** A vector of the file spec/vectors/ciphertext-suites.json; bytes in hexadecimal, the ciphertext as its text. */
export interface SuiteVector {
  readonly name: string;
  /** Of the cipher that reads it, whatever its header says. */
  readonly suite: string;
  /** The name of one of the file's keys. */
  readonly key: string;
  /** Whether it is read with the key derived for its additional data. */
  readonly derived: boolean;
  readonly additional_data: Additional;
  /** The canonical encoding of `additional_data`. */
  readonly additional_data_encoded: string;
  readonly ciphertext: string;
  readonly outcome: "opens" | "decryption_failed";
  /** What it opens to, and what its header says. Of vectors that open. */
  readonly plaintext?: string;
  readonly key_id?: string;
  readonly version?: number;
}

/** The file spec/vectors/ciphertext-suites.json. */
export interface SuiteFile {
  readonly keys: readonly SuiteKey[];
  readonly vectors: readonly SuiteVector[];
}

/** The bytes of one of the file's keys. */
export type Material = (name: string) => Buffer;

const KEY_ID = pseudorandom("key id", 16);
const VERSION = 2;

/** What ciphertexts begin with ("Header"): magic, suite, key id, version. */
export function header(suite: string, version = VERSION): Buffer {
  return Buffer.concat([Buffer.of(0x6e, 0x49, 0xac), Buffer.from(suite, "hex"), KEY_ID, bigEndian(version, 4)]);
}

/** How a vector is read. */
interface Reading {
  readonly suite: string;
  readonly key: string;
  readonly derived?: boolean;
  readonly additional?: Additional;
}

/** A vector that opens. */
export function opens(name: string, reading: Reading, plaintext: Buffer, ciphertext: Buffer): SuiteVector {
  return {
    ...vector(name, reading, ciphertext),
    outcome: "opens",
    plaintext: plaintext.toString("hex"),
    key_id: KEY_ID.toString("hex"),
    version: VERSION,
  };
}

/** A vector that must not open. */
export function refused(name: string, reading: Reading, ciphertext: Buffer): SuiteVector {
  return { ...vector(name, reading, ciphertext), outcome: "decryption_failed" };
}

function vector(name: string, { suite, key, derived = false, additional = null }: Reading, ciphertext: Buffer) {
  return {
    name: `${suite}: ${name}`,
    suite,
    key,
    derived,
    additional_data: additional,
    additional_data_encoded: encodeAdditional(additional).toString("hex"),
    ciphertext: ciphertext.toString("base64"),
  };
}

/** A copy with the lowest bit of one byte changed. @param at Counted from the end when it is negative. */
export function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? bytes.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 0x01;
  return copy;
}
