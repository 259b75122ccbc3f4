import { RequestError } from "../errors.ts";
import { type Bytes, bigEndian, concat, utf8 } from "./bytes.ts";

/** An encryption context: named texts that a ciphertext is bound to. They are no secrets. */
export type EncryptionContext = Readonly<Record<string, string>>;

const NOTHING: Bytes = new Uint8Array(0);
const MOST = 0xffff;

/**
 * The canonical encoding of an encryption context (spec/ciphertext.md, "Additional data").
 * @throws RequestError for text that is not well-formed Unicode, and for more than it can hold. Values are not quoted.
 */
export function encodeContext(context: EncryptionContext = {}): Bytes {
  const pairs = Object.entries(context).map(([name, value]) => [encodeText(name), encodeText(value)] as const);
  if (pairs.length === 0) {
    return NOTHING;
  }
  if (pairs.length > MOST) {
    throw new RequestError("an encryption context has too many pairs");
  }
  // By the bytes of UTF-8, which order otherwise than JavaScript's UTF-16.
  pairs.sort(([one], [other]) => compare(one, other));
  const lengthened = pairs.flat().flatMap((bytes) => [bigEndian(bytes.length, 2), bytes]);
  return concat(Uint8Array.of(2), bigEndian(pairs.length, 2), ...lengthened);
}

/** The encoding of additional data of bytes. */
export function encodeAdditionalData(bytes: Uint8Array = NOTHING): Bytes {
  return bytes.length === 0 ? NOTHING : concat(Uint8Array.of(1), bytes);
}

function encodeText(text: string): Bytes {
  const bytes = utf8(text);
  if (!text.isWellFormed() || bytes.length > MOST) {
    throw new RequestError("a text of the encryption context is not well-formed Unicode, or too long");
  }
  return bytes;
}

function compare(one: Uint8Array, other: Uint8Array): number {
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    const difference = (one[at] as number) - (other[at] as number);
    if (difference !== 0) {
      return difference;
    }
  }
  return one.length - other.length;
}
