/** One element of DER, as views into the bytes that were read. */
export interface DerElement {
  /** The identifier octet (X.690 section 8.1.2). */
  readonly tag: number;
  readonly content: Uint8Array;
}

export const DER_INTEGER = 0x02;
export const DER_OCTET_STRING = 0x04;
export const DER_SEQUENCE = 0x30;

const CONSTRUCTED = 0x20;
const SET = 0x31;
/** Classes other than the universal one have tags from here on. */
const OTHER_CLASSES = 0x40;
/** Deeper than any key; what nests deeper is made to exhaust the stack. */
const MOST_DEPTH = 16;

/**
 * Reads bytes as DER (X.690 section 10), which is how OpenSSL writes keys; it reads more than that: BER, and bytes after
 * the key, which it leaves alone. What a caller sends is checked here first, so that each key has one form.
 *
 * @returns The elements that the bytes are made of; undefined unless all of them are DER, to the last byte and down
 * through whatever is constructed: lengths definite and as short as they can be, strings in one piece, no tag number
 * above 30. Contents of primitive elements are not looked at.
 */
export function derElements(bytes: Uint8Array, depth = 0): readonly DerElement[] | undefined {
  if (depth > MOST_DEPTH) return undefined;
  const elements: DerElement[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const first = firstElement(rest);
    if (first === undefined) return undefined;
    const { element, length } = first;
    if ((element.tag & CONSTRUCTED) !== 0 && derElements(element.content, depth + 1) === undefined) return undefined;
    elements.push(element);
    rest = rest.subarray(length);
  }
  return elements;
}

/** The elements of the one SEQUENCE that the bytes are; undefined unless they are nothing else. */
export function derSequence(bytes: Uint8Array): readonly DerElement[] | undefined {
  const [sequence, ...others] = derElements(bytes) ?? [];
  if (sequence?.tag !== DER_SEQUENCE || others.length > 0) return undefined;
  return derElements(sequence.content);
}

function firstElement(bytes: Uint8Array): { element: DerElement; length: number } | undefined {
  const [tag = 0, first] = bytes;
  if (!isTag(tag) || first === undefined) return undefined;
  // Of a long length the low bits say how many bytes it has; none would be the indefinite form.
  const more = first < 0x80 ? 0 : first - 0x80;
  const start = 2 + more;
  if (first === 0x80 || more > 3 || bytes.length < start) return undefined;
  let length = more === 0 ? first : 0;
  for (const byte of bytes.subarray(2, start)) length = length * 256 + byte;
  const isShortest = more === 0 || (length >= 0x80 && bytes[2] !== 0);
  if (!isShortest || bytes.length < start + length) return undefined;
  return { element: { tag, content: bytes.subarray(start, start + length) }, length: start + length };
}

function isTag(tag: number): boolean {
  if ((tag & 0x1f) === 0x1f || tag === 0) return false;
  const isCollection = (tag | CONSTRUCTED) === DER_SEQUENCE || (tag | CONSTRUCTED) === SET;
  return tag >= OTHER_CLASSES || isCollection === ((tag & CONSTRUCTED) !== 0);
}
