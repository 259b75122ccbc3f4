import { type Checkpoint, formatCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { parseNote } from "./note.ts";
import { ED25519, formatVkey, isSameKey, type NoteKey, parseVkey } from "./note-key.ts";
import { verifyNote } from "./signature.ts";
import { NoteMalformed } from "./text-form.ts";

/** First line of a hand-over. */
export const HEADER = "bunkms audit key handover v1";
const LINES = 6;

/** A log's old key, saying that from here on another one signs the log. */
export interface Handover {
  /** The tree at which the key changed, without extensions. Its origin is the name of both keys. */
  readonly checkpoint: Checkpoint;
  readonly oldKey: NoteKey;
  readonly newKey: NoteKey;
}

/** A key that has signed the log, and does not any more. */
export interface RetiredKey {
  readonly key: NoteKey;
  /** No checkpoint of more entries than this rests on it. */
  readonly after: number;
}

/** Hand-overs of one log's key that contradict each other. */
export class HandoversContradictory extends Error {
  override readonly name = "HandoversContradictory";
}

/**
 * Writes a hand-over as a note's text, which both keys sign.
 * @throws NoteMalformed for what would not be read as the same.
 */
export function formatHandover({ checkpoint, oldKey, newKey }: Handover): string {
  const text = `${HEADER}\n${formatCheckpoint(checkpoint)}${formatVkey(oldKey)}\n${formatVkey(newKey)}\n`;
  parseHandover(text);
  return text;
}

/**
 * Reads a hand-over from a note's text.
 * @throws NoteMalformed
 */
export function parseHandover(text: string): Handover {
  const [header, origin, size, root, oldVkey, newVkey, ...end] = text.split("\n");
  if (header !== HEADER) {
    throw new NoteMalformed(`the hand-over does not begin with ${HEADER}`);
  }
  if (oldVkey === undefined || newVkey === undefined || end.length !== 1 || end[0] !== "") {
    throw new NoteMalformed(`the hand-over is not ${LINES} lines`);
  }
  const checkpoint = parseCheckpoint(`${origin}\n${size}\n${root}\n`);
  const [oldKey, newKey] = [parseVkey(oldVkey), parseVkey(newVkey)];
  for (const { name, type } of [oldKey, newKey]) {
    if (name !== checkpoint.origin || type !== ED25519) {
      throw new NoteMalformed("a key of the hand-over is not an Ed25519 key whose name is the log's origin");
    }
  }
  if (oldKey.publicKey.equals(newKey.publicKey)) {
    throw new NoteMalformed("the hand-over is from a key to itself");
  }
  return { checkpoint, oldKey, newKey };
}

/**
 * Verifies a hand-over's note: both its keys signed it. Whether its old key is to be trusted is not said.
 * @throws NoteMalformed | SignatureInvalid
 */
export function openHandover(bytes: string | Uint8Array): Handover {
  const note = parseNote(bytes);
  const handover = parseHandover(note.text);
  verifyNote(note, [handover.oldKey]);
  verifyNote(note, [handover.newKey]);
  return handover;
}

/**
 * All keys that a trusted key leads to by hand-overs, itself first, then in the order in which they took over.
 *
 * @param notes In any order. Those of other logs, and of keys before the trusted one, are left alone.
 * @throws NoteMalformed | SignatureInvalid for any that is not well formed and signed by both its keys.
 * @throws HandoversContradictory when one key was handed over to two others, to a key that was in use before, or at a
 *   smaller tree than the key before it.
 */
export function followHandovers(trusted: NoteKey, notes: readonly (string | Uint8Array)[]): readonly NoteKey[] {
  return [trusted, ...chainFrom(trusted, notes).map(({ newKey }) => newKey)];
}

/**
 * Of the keys that a trusted key leads to, and itself, those that sign no more. A key still signs with the one after it, until
 * that one is handed over: a checkpoint of a larger tree than then that only the key before has signed is not the log's.
 *
 * @throws as {@link followHandovers}
 */
export function retiredKeys(trusted: NoteKey, notes: readonly (string | Uint8Array)[]): readonly RetiredKey[] {
  const chain = chainFrom(trusted, notes);
  return chain.slice(1).map(({ checkpoint }, i) => ({ key: (chain[i] as Handover).oldKey, after: checkpoint.size }));
}

/** The hand-overs that lead from a key to the newest one, in their order. */
function chainFrom(trusted: NoteKey, notes: readonly (string | Uint8Array)[]): readonly Handover[] {
  const handovers = notes.map(openHandover);
  const keys = [trusted];
  const chain: Handover[] = [];
  let size = 0;
  for (let key = trusted; ; ) {
    const next = handoverOf(key, handovers);
    if (next === undefined) {
      return chain;
    }
    if (keys.some((used) => isSameKey(used, next.newKey))) {
      throw new HandoversContradictory("a key was handed over to a key that was in use before");
    }
    if (next.checkpoint.size < size) {
      throw new HandoversContradictory("a key was handed over at a smaller tree than the key before it");
    }
    size = next.checkpoint.size;
    key = next.newKey;
    keys.push(key);
    chain.push(next);
  }
}

function handoverOf(key: NoteKey, handovers: readonly Handover[]): Handover | undefined {
  const [first, ...others] = handovers.filter(({ oldKey }) => isSameKey(oldKey, key));
  if (first !== undefined && others.some((other) => formatHandover(other) !== formatHandover(first))) {
    throw new HandoversContradictory("a key was handed over more than once");
  }
  return first;
}
