/** Bytes in a buffer of their own kind: what WebCrypto takes. Those in shared memory it refuses. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** The same bytes where they are, or copied out of shared memory. */
export function unshared(bytes: Uint8Array): Bytes {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Bytes) : new Uint8Array(bytes);
}

/** Joins bytes to new ones, which are the caller's. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** UTF-8. */
export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** An unsigned integer, big-endian. @throws RangeError when it does not fit: it would become another one. */
export function bigEndian(value: number, length: 2 | 4): Bytes {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * length)) {
    throw new RangeError(`${value} does not fit into ${length} bytes`);
  }
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes.subarray(4 - length);
}

/** Whether two byte strings are equal, in time that depends on their lengths alone. */
export function equalsInConstantTime(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) {
    difference |= (one[at] as number) ^ (other[at] ?? 0);
  }
  return difference === 0;
}

/** Lower case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += String.fromCharCode(byte);
  }
  return btoa(text);
}

/** Reads base64, only the canonical one. @returns undefined for any other text. */
export function fromBase64(text: string): Bytes | undefined {
  let bytes: Bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
  return toBase64(bytes) === text ? bytes : undefined;
}

/** base64url without padding (RFC 4648 section 5, RFC 7515). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
