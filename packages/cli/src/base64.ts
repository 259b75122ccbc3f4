import { usage } from "./failure.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PADDING = 0x3d;
const BLANKS = new Set(Buffer.from(" \t\r\n"));
/** The six bits of each character, by its code. */
const SIX_BITS: ReadonlyMap<number, number> = new Map(Array.from(Buffer.from(ALPHABET), (code, bits) => [code, bits]));

/**
 * Decodes base64 (RFC 4648 section 4) with any blanks and line ends. Node's own decoders take strings, which nobody can
 * zero, so this is for secrets.
 * @returns undefined when it is anything else.
 */
export function decodeSecretBase64(text: Uint8Array): Buffer | undefined {
  const bytes = Buffer.alloc(Math.floor((text.length * 3) / 4));
  let [bits, count, length, padding] = [0, 0, 0, 0];
  for (const code of text) {
    const six = SIX_BITS.get(code);
    if (six !== undefined && padding === 0) {
      bits = ((bits << 6) | six) & 0xfff;
      count += 1;
      if (count % 4 !== 1) {
        bytes[length++] = bits >> (6 - 2 * ((count - 1) % 4));
      }
    } else if (code === PADDING) {
      padding += 1;
    } else if (!BLANKS.has(code)) {
      bytes.fill(0);
      return undefined;
    }
  }
  const isWhole = (count + padding) % 4 === 0 && padding <= 2 && length > 0;
  if (!isWhole) {
    bytes.fill(0);
  }
  return isWhole ? bytes.subarray(0, length) : undefined;
}

/**
 * Reads one line of base64, blanks around it aside.
 * @param what For the message, for example `the signature file`.
 * @param flag The option for bytes as they are.
 * @throws Failure when it is anything else.
 */
export function parseBase64(input: Buffer, what: string, flag: string): Buffer {
  const text = input.toString("latin1").trim();
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.toString("base64") !== text) {
    throw usage(`${what} does not hold base64`, `If it holds the bytes themselves, add ${flag}.`);
  }
  return bytes;
}
