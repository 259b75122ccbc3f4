import { usage } from "./failure.ts";

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
