import { isKeyName, type NoteKey } from "./note-key.ts";
import { decodeBase64, decodeText, NoteMalformed } from "./text-form.ts";

/** The most bytes of a note's text. */
export const MAX_TEXT_BYTES = 16 * 1024;
/** The most signatures of a note. */
export const MAX_SIGNATURES = 100;
/** The most bytes of a whole note: the limit of golang.org/x/mod/sumdb/note, far above 100 signatures of ML-DSA-44. */
export const MAX_NOTE_BYTES = 1_000_000;

const ID_BYTES = 4;

/** One signature of a note, not verified. */
export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly id: Buffer;
  /** What the key made: without the id before it. At least one byte. */
  readonly signature: Buffer;
  /** The whole line, with its newline. */
  readonly line: string;
}

/** A note that was taken apart, of which nothing was verified. */
export interface Note {
  /** What is signed, with its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/**
 * Takes a note apart (C2SP signed-note), strictly: valid UTF-8, no control character but newline, canonical base64, text
 * of at most 16 KiB, 1 to 100 signatures.
 * @throws NoteMalformed
 */
export function parseNote(bytes: string | Uint8Array): Note {
  const whole = decodeText(bytes, MAX_NOTE_BYTES, "the note");
  const blank = whole.lastIndexOf("\n\n");
  if (blank < 0 || !whole.endsWith("\n") || blank + 2 === whole.length) {
    throw new NoteMalformed("the note is not a text, an empty line, and lines of signatures");
  }
  const text = requireText(whole.slice(0, blank + 1));
  const lines = whole.slice(blank + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) {
    throw new NoteMalformed(`the note has more than ${MAX_SIGNATURES} signatures`);
  }
  return { text, signatures: lines.map(parseSignatureLine) };
}

/**
 * Puts a note together from its text and lines of signatures, each with its newline.
 * @throws NoteMalformed when the outcome would not be read as that text with those lines.
 */
export function formatNote(text: string, lines: readonly string[]): string {
  const note = `${text}\n${lines.join("")}`;
  const parsed = parseNote(note);
  if (parsed.text !== text || parsed.signatures.length !== lines.length) {
    throw new NoteMalformed("the lines of signatures are not one each");
  }
  return note;
}

/** Writes the line of a signature, with its newline. */
export function formatSignatureLine({ name, id }: NoteKey, signature: Uint8Array): string {
  return `— ${name} ${Buffer.concat([id, signature]).toString("base64")}\n`;
}

/**
 * Returns the text when it can be that of a note: it ends in a newline, and is bounded.
 * @throws NoteMalformed
 */
export function requireText(text: string): string {
  decodeText(text, MAX_TEXT_BYTES, "the note's text");
  if (!text.endsWith("\n")) {
    throw new NoteMalformed("the note's text does not end in a newline");
  }
  return text;
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name, base64] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
  if (name === undefined || base64 === undefined || !isKeyName(name)) {
    throw new NoteMalformed("a line of a signature is not a dash, a key's name and base64");
  }
  const bytes = decodeBase64(base64, "a signature");
  if (bytes.length <= ID_BYTES) {
    throw new NoteMalformed("a signature is too short");
  }
  return { name, id: bytes.subarray(0, ID_BYTES), signature: bytes.subarray(ID_BYTES), line: `${line}\n` };
}
