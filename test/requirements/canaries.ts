import { randomBytes } from "node:crypto";

/** Longest piece at the ends of a base64 text that depends on the bytes around it. */
const LOOSE_END = 4;

/**
 * Random values that are given to a server as secrets, and afterwards looked for wherever they must not be: as they are,
 * in hex, base64 and base64url (also in the middle of a longer base64 text), and in UTF-16.
 */
export class Canaries {
  readonly #needles = new Map<string, readonly Buffer[]>();

  /** 32 random bytes. @param label Names what it is used for, in failures. */
  bytes(label: string): Buffer {
    return this.add(label, randomBytes(32));
  }

  /** 43 random letters, digits, `-` and `_`. */
  text(label: string): string {
    return this.add(label, Buffer.from(randomBytes(32).toString("base64url"))).toString();
  }

  /** A value that the server made. */
  add(label: string, value: Buffer): Buffer {
    this.#needles.set(label, formsOf(value));
    return value;
  }

  /** Labels of the values that occur in these bytes. */
  findIn(bytes: Buffer): string[] {
    return [...this.#needles]
      .filter(([, needles]) => needles.some((needle) => bytes.includes(needle)))
      .map(([label]) => label);
  }

  get size(): number {
    return this.#needles.size;
  }
}

/** All forms in which a value would give itself away. */
export function formsOf(value: Buffer): readonly Buffer[] {
  const texts = [value.toString("hex"), value.toString("hex").toUpperCase()];
  // The base64 of a longer text depends on where in it the value begins, modulo three.
  for (const before of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(before), value]);
    for (const encoding of ["base64", "base64url"] as const) {
      texts.push(shifted.toString(encoding).slice(before === 0 ? 0 : LOOSE_END, -LOOSE_END));
    }
  }
  return [value, Buffer.from(value.toString("latin1"), "utf16le"), ...texts.map((text) => Buffer.from(text))];
}
