import { BunkmsError } from "@bunkms/contract";

/** What a caller binds to a ciphertext: nothing, bytes of his own, or named values (an encryption context). */
export type AdditionalData =
  | { readonly kind: "none" }
  | { readonly kind: "raw"; readonly bytes: Uint8Array }
  | { readonly kind: "context"; readonly entries: ReadonlyMap<string, string> | Readonly<Record<string, string>> };

const RAW = 0x01;
const CONTEXT = 0x02;
/** Nothing can be written into it, so that all may share it. */
const NONE = Buffer.alloc(0);
/** Lengths and the count are unsigned 16-bit numbers. */
const MOST = 0xffff;

/**
 * The one byte form of additional data that is authenticated (spec/ciphertext.md, "Additional data"). Nothing, no bytes
 * and an empty context are alike: zero bytes. Otherwise the first byte tells bytes (1) from a context (2), so that
 * neither can be passed off as the other, and a context's pairs are sorted by the UTF-8 bytes of their keys.
 *
 * @throws BunkmsError `invalid_request` for text that is not well-formed Unicode, or more than 65,535 pairs, or a key or
 * value of more than 65,535 bytes.
 */
export function encodeAdditionalData(input: AdditionalData): Buffer {
  switch (input.kind) {
    case "none":
      return NONE;
    case "raw":
      return input.bytes.length === 0 ? NONE : Buffer.concat([Buffer.of(RAW), input.bytes]);
    case "context":
      return encodeContext(input.entries instanceof Map ? [...input.entries] : Object.entries(input.entries));
  }
}

/** Whether encoded additional data are an encryption context, with pairs. */
export function isContext(encoded: Uint8Array): boolean {
  return encoded[0] === CONTEXT;
}

function encodeContext(entries: readonly (readonly [string, string])[]): Buffer {
  if (entries.length === 0) return NONE;
  if (entries.length > MOST) throw new BunkmsError("invalid_request", "the encryption context has too many pairs");
  const pairs = entries.map(([key, value]) => ({ key: utf8(key), value: utf8(value) }));
  pairs.sort((a, b) => Buffer.compare(a.key, b.key));
  const parts = [Buffer.of(CONTEXT), u16(pairs.length)];
  for (const { key, value } of pairs) parts.push(u16(key.length), key, u16(value.length), value);
  return Buffer.concat(parts);
}

/** A lone surrogate has no UTF-8 form: encoders write U+FFFD for it, so that different texts would become one. */
function utf8(text: string): Buffer {
  if (!text.isWellFormed()) throw new BunkmsError("invalid_request", "the encryption context is not valid Unicode");
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length > MOST) throw new BunkmsError("invalid_request", "the encryption context has too long a text");
  return bytes;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
