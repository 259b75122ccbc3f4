import { MAX_TEXT_BYTES, requireText } from "./note.ts";
import { decodeBase64, decodeCount, decodeText, NoteMalformed } from "./text-form.ts";
import { EMPTY_ROOT, HASH_BYTES } from "./tree.ts";

/** A log's tree at one size (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Which log. Not empty. */
  readonly origin: string;
  /** Number of leaves, at most 2^53 − 1. */
  readonly size: number;
  /** 32 bytes; of an empty tree SHA-256 of nothing. */
  readonly root: Buffer;
  /** Further lines, opaque, without their newlines. Absent when there are none, as in all that BunKMS writes. */
  readonly extensions?: readonly string[];
}

/**
 * Writes a checkpoint as a note's text.
 * @throws NoteMalformed for what would not be read as the same.
 */
export function formatCheckpoint({ origin, size, root, extensions = [] }: Checkpoint): string {
  requireSize(size);
  requireTree(size, root);
  for (const line of [origin, ...extensions]) {
    if (line === "" || line.includes("\n")) {
      throw new NoteMalformed("a checkpoint's origin or extension is empty or has a newline");
    }
  }
  return requireText(`${[origin, size, root.toString("base64"), ...extensions].join("\n")}\n`);
}

/**
 * Reads a checkpoint from a note's text, which the caller has verified, or will.
 * @throws NoteMalformed
 */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = decodeText(text, MAX_TEXT_BYTES, "the checkpoint").split("\n");
  const [origin, sizeText, rootText, ...extensions] = lines.slice(0, -1);
  if (origin === undefined || sizeText === undefined || rootText === undefined || lines.slice(0, -1).includes("")) {
    throw new NoteMalformed("the checkpoint is not at least three lines, none of them empty");
  }
  if (lines.at(-1) !== "") {
    throw new NoteMalformed("the checkpoint does not end in a newline");
  }
  const size = decodeCount(sizeText, "the checkpoint's size");
  const root = decodeBase64(rootText, "the checkpoint's root");
  requireTree(size, root);
  return { origin, size, root, ...(extensions.length === 0 ? {} : { extensions }) };
}

function requireSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new NoteMalformed("the checkpoint's size is not a whole number of at most 2^53 - 1");
  }
}

function requireTree(size: number, root: Buffer): void {
  if (root.length !== HASH_BYTES) {
    throw new NoteMalformed("the checkpoint's root is not 32 bytes long");
  }
  // RFC 6962 section 2.1.
  if (size === 0 && !root.equals(EMPTY_ROOT)) {
    throw new NoteMalformed("the checkpoint of an empty tree has another root than the empty tree");
  }
}
