import { createHash } from "node:crypto";

// Shares by the letter of spec/share.md and BIP 350, not by the server's code.

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const BECH32M = 0x2bc830a3;

/** The first bytes of a SHA-256. */
export function shortHash(length: number, ...parts: readonly Buffer[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest().subarray(0, length);
}

/** The fields of a share; what is left out is as the document has it. */
export function shareFields(parts: {
  readonly version?: number;
  readonly cluster: Buffer;
  readonly set: Buffer;
  readonly number: number;
  readonly threshold: number;
  readonly value: Buffer;
}): Buffer {
  const fingerprint = shortHash(4, Buffer.from("bunkms share cluster v1"), parts.cluster);
  const head = [Buffer.of(parts.version ?? 1), fingerprint, parts.set, Buffer.of(parts.number, parts.threshold)];
  return Buffer.concat([...head, parts.value]);
}

/** The binary form of fields. */
export function binaryForm(fields: Buffer): Buffer {
  return Buffer.concat([fields, shortHash(4, fields)]);
}

/** bech32m of bytes, without groups. `lastBits` are put in place of the zeros that fill the last word. */
export function bech32mText(prefix: string, bytes: Buffer, lastBits = 0, constant = BECH32M): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const words = (bits.match(/.{1,5}/g) ?? []).map((word) => Number.parseInt(word.padEnd(5, "0"), 2));
  words.push((words.pop() ?? 0) | lastBits);
  const expanded = [...prefix].map((sign) => sign.charCodeAt(0));
  const values = [...expanded.map((code) => code >> 5), 0, ...expanded.map((code) => code & 31), ...words];
  const sum = polymod([...values, 0, 0, 0, 0, 0, 0]) ^ constant;
  const checksum = [25, 20, 15, 10, 5, 0].map((shift) => (sum >> shift) & 31);
  return `${prefix}1${[...words, ...checksum].map((word) => ALPHABET[word]).join("")}`;
}

/** The text form: groups of five. */
export function grouped(text: string): string {
  return (text.match(/.{1,5}/g) ?? []).join("-");
}

function polymod(values: readonly number[]): number {
  return values.reduce((sum, value) => {
    const next = ((sum & 0x1ffffff) << 5) ^ value;
    return GENERATOR.reduce((result, term, bit) => ((sum >> (25 + bit)) & 1 ? result ^ term : result), next);
  }, 1);
}

/** The value at x of the polynomials whose coefficients are given from the constant one on, byte by byte. */
export function polynomialAt(coefficients: readonly Buffer[], x: number): Buffer {
  const [secret = Buffer.alloc(0)] = coefficients;
  return Buffer.from(
    secret.map((_, at) => coefficients.reduce((sum, part, power) => sum ^ times(part[at] ?? 0, raised(x, power)), 0)),
  );
}

function raised(x: number, power: number): number {
  return power === 0 ? 1 : times(x, raised(x, power - 1));
}

/** FIPS 197 section 4.2: by xtime. */
function times(a: number, b: number): number {
  if (b === 0) return 0;
  const doubled = a & 0x80 ? ((a << 1) & 0xff) ^ 0x1b : a << 1;
  return (b & 1 ? a : 0) ^ times(doubled, b >> 1);
}
