import { parseCheckpoint } from "./checkpoint.ts";
import { MAX_NOTE_BYTES, parseNote } from "./note.ts";
import { decodeBase64, decodeCount, decodeText, NoteMalformed } from "./text-form.ts";
import { MAX_ENTRY_BYTES } from "./tile.ts";
import { HASH_BYTES } from "./tree.ts";

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_PATH_HASHES = 63;
/** The most bytes that come before the checkpoint. */
const MAX_HEAD_BYTES = 128 * 1024;

/** A proof that a log has an entry, which can be verified offline (C2SP tlog-proof). Nothing of it was verified. */
export interface TlogProof {
  /** At most 65,535 bytes that nothing authenticates by itself; in receipts of BunKMS the entry. */
  readonly extra?: Buffer;
  /** Of the entry, from 0 on. */
  readonly index: number;
  /** Hashes of 32 bytes from the leaf's sibling to the root's child. */
  readonly path: readonly Buffer[];
  /** The whole note, well formed. */
  readonly checkpoint: string;
}

/**
 * Writes a proof.
 * @throws NoteMalformed for what would not be read as the same.
 */
export function formatTlogProof({ extra, index, path, checkpoint }: TlogProof): string {
  const lines = [HEADER];
  if (extra !== undefined) {
    lines.push(`extra ${extra.toString("base64")}`);
  }
  lines.push(`index ${index}`, ...path.map((hash) => hash.toString("base64")), "", checkpoint);
  const text = lines.join("\n");
  parseTlogProof(text);
  return text;
}

/**
 * Reads a proof, strictly as notes are read.
 * @throws NoteMalformed
 */
export function parseTlogProof(bytes: string | Uint8Array): TlogProof {
  const text = decodeText(bytes, MAX_HEAD_BYTES + MAX_NOTE_BYTES, "the proof");
  const end = text.indexOf("\n\n");
  if (end < 0) {
    throw new NoteMalformed("the proof has no checkpoint");
  }
  const [header, ...lines] = text.slice(0, end).split("\n");
  if (header !== HEADER) {
    throw new NoteMalformed(`the proof does not begin with ${HEADER}`);
  }
  const extra = lines[0]?.startsWith("extra ") ? decodeExtra((lines.shift() as string).slice(6)) : undefined;
  const indexLine = lines.shift();
  if (indexLine === undefined || !indexLine.startsWith("index ")) {
    throw new NoteMalformed("the proof does not have the entry's index where it should");
  }
  const index = decodeCount(indexLine.slice(6), "the entry's index");
  const checkpoint = text.slice(end + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  return { ...(extra === undefined ? {} : { extra }), index, path: decodePath(lines), checkpoint };
}

function decodeExtra(base64: string): Buffer {
  const extra = decodeBase64(base64, "the proof's extra data");
  if (extra.length > MAX_ENTRY_BYTES) {
    throw new NoteMalformed(`the proof's extra data is longer than ${MAX_ENTRY_BYTES} bytes`);
  }
  return extra;
}

function decodePath(lines: readonly string[]): readonly Buffer[] {
  if (lines.length > MAX_PATH_HASHES) {
    throw new NoteMalformed(`the proof's path has more than ${MAX_PATH_HASHES} hashes`);
  }
  return lines.map((line) => {
    const hash = decodeBase64(line, "a hash of the proof's path");
    if (hash.length !== HASH_BYTES) {
      throw new NoteMalformed("a hash of the proof's path is not 32 bytes long");
    }
    return hash;
  });
}
