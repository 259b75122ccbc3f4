import { type Failure, usage } from "../failure.ts";
import { CIPHERTEXT_LIMIT } from "../inputs.ts";
import type { CiphertextFormat, Part, Place } from "./parts.ts";

const NEWLINE = 0x0a;
const BLANKS = new Set([0x20, 0x09, 0x0d]);

/** One ciphertext a line. Empty lines, blanks around a ciphertext, and whatever ends the lines stay as they are. */
export const LINES: CiphertextFormat = Object.freeze({ needsCiphertexts: false, read, write: (text: string) => text });

/** A line of a file. */
export interface Line {
  /** With the newline that ends it, if there is one. */
  readonly bytes: Buffer;
  /** Where it begins. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
}

/** How long a line may be, its end aside, and what to say of a longer one. */
export interface LineLimit {
  readonly bytes: number;
  tooLong(line: number): Failure;
}

/**
 * Takes a file apart into its lines, from the beginning of one on; the last has no newline if the file ends so.
 * @param chunks Are not written to later: the lines are views of them.
 */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  from: Pick<Place, "offset" | "line">,
  limit: LineLimit,
): AsyncGenerator<Line> {
  let { offset, line } = from;
  let rest: Buffer = Buffer.alloc(0);
  const refuseLong = (bytes: Buffer): void => {
    if (bytes.length > limit.bytes + (bytes.at(-1) === NEWLINE ? 1 : 0)) {
      throw limit.tooLong(line);
    }
  };
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const one = bytes.subarray(start, end + 1);
      refuseLong(one);
      yield { bytes: one, offset: offset + start, line };
      start = end + 1;
      line += 1;
    }
    rest = bytes.subarray(start);
    offset += start;
    refuseLong(rest);
  }
  if (rest.length > 0) {
    yield { bytes: rest, offset, line };
  }
}

const CIPHERTEXT_LINES: LineLimit = {
  bytes: CIPHERTEXT_LIMIT,
  tooLong: (line) =>
    usage(`line ${line} is longer than a ciphertext can be`, "If the file is JSON, say where they are: --json-path."),
};

async function* read(chunks: AsyncIterable<Buffer>, from: Place): AsyncGenerator<Part> {
  for await (const line of linesOf(chunks, from, CIPHERTEXT_LINES)) {
    yield* split(line);
  }
}

function* split({ bytes, offset, line }: Line): Generator<Part> {
  const isText = (byte: number): boolean => byte !== NEWLINE && !BLANKS.has(byte);
  const begin = bytes.findIndex(isText);
  if (begin === -1) {
    yield { kind: "copy", bytes };
    return;
  }
  const end = bytes.findLastIndex(isText) + 1;
  yield { kind: "copy", bytes: bytes.subarray(0, begin) };
  const text = bytes.subarray(begin, end);
  const after = { offset: offset + end, line, open: [] };
  yield { kind: "item", bytes: text, ciphertext: text.toString("latin1"), after };
  yield { kind: "copy", bytes: bytes.subarray(end) };
}
