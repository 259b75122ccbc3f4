/** A JSON object or array that is open at some place. */
export interface Container {
  readonly kind: "object" | "array";
  /** How many steps of the path lead to it; -1 when it is not on the path. */
  readonly step: number;
}

/** Where a file goes on after a ciphertext, with all that reading on from there needs. Plain JSON. */
export interface Place {
  /** Bytes before it. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** From the outside to the inside; empty in a file of lines. */
  readonly open: readonly Container[];
}

/** A piece of a file that stays as it is. */
export interface CopyPart {
  readonly kind: "copy";
  readonly bytes: Uint8Array;
}

/** A piece of a file that is worked on. */
export interface ItemPart {
  readonly kind: "item";
  /** As they are in the file. */
  readonly bytes: Uint8Array;
  readonly after: Place;
}

/** A ciphertext, with what else belongs to its form. */
export interface CiphertextPart extends ItemPart {
  readonly ciphertext: string;
}

/** A piece of a file of ciphertexts, in the file's order. */
export type Part = CopyPart | CiphertextPart;

/** How ciphertexts lie in a file. */
export interface CiphertextFormat {
  /** Whether a file without a ciphertext is likely a mistake. */
  readonly needsCiphertexts: boolean;
  /**
   * Takes a file apart, from a place on.
   * @param chunks Are not written to later: the parts are views of them.
   * @throws Failure that names the line, when the file is not of the format.
   */
  read(chunks: AsyncIterable<Buffer>, from: Place): AsyncGenerator<Part>;
  /** What stands in the file for a ciphertext. */
  write(ciphertext: string): string;
}

/** Where every file begins. */
export const BEGIN: Place = Object.freeze({ offset: 0, line: 1, open: [] });
