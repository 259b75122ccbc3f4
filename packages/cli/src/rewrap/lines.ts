import { usage } from "../failure.ts";
import { CIPHERTEXT_LIMIT } from "../inputs.ts";
import type { CiphertextFormat, Part, Place } from "./parts.ts";

const NEWLINE = 0x0a;
const BLANKS = new Set([0x20, 0x09, 0x0d]);

/** One ciphertext a line. Empty lines, blanks around a ciphertext, and whatever ends the lines stay as they are. */
export const LINES: CiphertextFormat = Object.freeze({ needsCiphertexts: false, read, write: (text: string) => text });

async function* read(chunks: AsyncIterable<Buffer>, from: Place): AsyncGenerator<Part> {
  let { offset, line } = from;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      yield* split(bytes.subarray(start, end + 1), offset + start, line);
      start = end + 1;
      line += 1;
    }
    rest = bytes.subarray(start);
    offset += start;
    refuseLong(rest, line);
  }
  yield* split(rest, offset, line);
}

function* split(bytes: Buffer, offset: number, line: number): Generator<Part> {
  const isText = (byte: number): boolean => byte !== NEWLINE && !BLANKS.has(byte);
  const begin = bytes.findIndex(isText);
  if (begin === -1) {
    yield { kind: "copy", bytes };
    return;
  }
  refuseLong(bytes, line);
  const end = bytes.findLastIndex(isText) + 1;
  yield { kind: "copy", bytes: bytes.subarray(0, begin) };
  const text = bytes.subarray(begin, end);
  const after = { offset: offset + end, line, open: [] };
  yield { kind: "ciphertext", bytes: text, ciphertext: text.toString("latin1"), after };
  yield { kind: "copy", bytes: bytes.subarray(end) };
}

function refuseLong({ length }: Buffer, line: number): void {
  if (length > CIPHERTEXT_LIMIT) {
    throw usage(
      `line ${line} is longer than a ciphertext can be`,
      "If the file is JSON, say where they are: --json-path.",
    );
  }
}
