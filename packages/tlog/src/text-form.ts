/** Bytes from outside that are not, or not exactly, what a standard says. Its message says which part, never the bytes. */
export class NoteMalformed extends Error {
  override readonly name = "NoteMalformed";
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const COUNT = /^(?:0|[1-9]\d{0,15})$/;

/**
 * Reads base64 (RFC 4648 section 4) in its one canonical form: padded, without spaces, unused bits zero.
 * @throws NoteMalformed
 */
export function decodeBase64(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (!BASE64.test(text) || bytes.toString("base64") !== text) {
    throw new NoteMalformed(`${what} is not canonical base64`);
  }
  return bytes;
}

/**
 * Reads a decimal number of at most 2^53 − 1, without sign or leading zeros.
 * @throws NoteMalformed
 */
export function decodeCount(text: string, what: string): number {
  const count = Number(text);
  if (!COUNT.test(text) || !Number.isSafeInteger(count)) {
    throw new NoteMalformed(`${what} is not a decimal number of at most 2^53 - 1 without leading zeros`);
  }
  return count;
}

/**
 * Reads UTF-8 without any of the control characters below U+0020 but newline.
 * @param maxBytes The most bytes that it may be long.
 * @throws NoteMalformed
 */
export function decodeText(bytes: string | Uint8Array, maxBytes: number, what: string): string {
  if ((typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length) > maxBytes) {
    throw new NoteMalformed(`${what} is longer than ${maxBytes} bytes`);
  }
  const text = typeof bytes === "string" ? bytes : decodeUtf8(bytes, what);
  if (!text.isWellFormed()) {
    throw new NoteMalformed(`${what} is not valid Unicode`);
  }
  if (hasControl(text)) {
    throw new NoteMalformed(`${what} has a control character`);
  }
  return text;
}

function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    // A byte order mark is part of what was signed.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new NoteMalformed(`${what} is not valid UTF-8`);
  }
}

/** Whether a text has a control character below U+0020 other than newline. */
export function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 && code !== 0x0a) {
      return true;
    }
  }
  return false;
}
