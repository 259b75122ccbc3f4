import { Failure } from "../failure.ts";
import { writeStream, writeWhole } from "../file-output.ts";
import { streamInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { type BytesOptions, printNote, refuseHarmful } from "../output.ts";
import { REQUESTS } from "../rewrap/batch.ts";
import { type Group, type GroupLimits, inGroups, inOrder } from "../rewrap/groups.ts";
import { type LineLimit, linesOf } from "../rewrap/lines.ts";
import { BEGIN, type CopyPart, type ItemPart } from "../rewrap/parts.ts";

/** What came of one line: the line in its place, or why there is none. */
export type LineOutcome =
  | { readonly kind: "done"; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly reason: string };

/** What is done with each line of an input. */
export interface LineWork {
  /** For messages, for example `the plaintexts`. */
  readonly what: string;
  readonly limit: LineLimit;
  readonly groups: GroupLimits;
  /** What of a line, without its end, is the item; without bytes the line stays empty and is not worked on. */
  item(line: Buffer): Uint8Array | undefined;
  /** Works on a group, in order. @throws what the client throws; Failure */
  convert(items: readonly Uint8Array[]): Promise<readonly LineOutcome[]>;
}

/** Where lines come from, and where they go. */
export interface LineFiles extends BytesOptions {
  readonly in?: string;
}

const NEWLINE = Buffer.from("\n");

/**
 * Writes a line for each line of the input, in their order; an empty one where an item fails, whose number and reason
 * are reported. Memory does not grow with the input. A file of `--out` has its name only when it is whole.
 * @returns how many lines failed.
 * @throws Failure
 */
export async function convertLines(io: Io, files: LineFiles, work: LineWork): Promise<number> {
  const counts = { lines: 0, failed: 0 };
  const pieces = convertedGroups(io, files, work, counts);
  await (files.out === undefined ? writeStream(io.stdout, pieces) : writeWhole(files.out, true, pieces));
  if (counts.failed > 0) {
    printNote(io, `${counts.failed} of ${counts.lines} lines failed.`);
  }
  return counts.failed;
}

async function* convertedGroups(
  io: Io,
  files: LineFiles,
  work: LineWork,
  counts: { lines: number; failed: number },
): AsyncGenerator<Uint8Array> {
  const groups = inGroups(partsOf(io, files, work), work.groups);
  const send = async (group: Group<ItemPart>) => ({ group, outcomes: await convertGroup(work, group) });
  for await (const { group, outcomes } of inOrder(groups, REQUESTS, send)) {
    const lines: Uint8Array[] = [];
    let next = 0;
    for (const part of group.parts) {
      const outcome = part.kind === "copy" ? undefined : outcomes[next++];
      if (part.kind === "item" && outcome?.kind === "failed") {
        printNote(io, `line ${part.after.line}: ${outcome.reason}`);
        counts.failed += 1;
      }
      lines.push(outcome?.kind === "done" ? outcome.bytes : Buffer.alloc(0), NEWLINE);
    }
    counts.lines += group.parts.length;
    const bytes = Buffer.concat(lines);
    if (files.out === undefined) {
      refuseHarmful(io, bytes, files);
    }
    yield bytes;
  }
}

async function* partsOf(io: Io, files: LineFiles, work: LineWork): AsyncGenerator<CopyPart | ItemPart> {
  const chunks = asBuffers(streamInput(io, files.in, work.what));
  for await (const { bytes, offset, line } of linesOf(chunks, BEGIN, work.limit)) {
    const item = work.item(bytes.at(-1) === NEWLINE[0] ? bytes.subarray(0, -1) : bytes);
    const after = { offset: offset + bytes.length, line, open: [] };
    yield item === undefined ? { kind: "copy", bytes } : { kind: "item", bytes: item, after };
  }
}

async function convertGroup(work: LineWork, { parts }: Group<ItemPart>): Promise<readonly LineOutcome[]> {
  const items = parts.flatMap((part) => (part.kind === "item" ? [part.bytes] : []));
  return items.length === 0 ? [] : await work.convert(items);
}

async function* asBuffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const { buffer, byteOffset, byteLength } of chunks) {
    yield Buffer.from(buffer, byteOffset, byteLength);
  }
}

/** `--json` has no form for lines. @throws Failure */
export function refuseJson({ json }: { readonly json?: boolean }): void {
  if (json) {
    throw new Failure(2, "--json and --lines do not go together", 'Batches in JSON: "bunkms call keys.encrypt_batch".');
  }
}
