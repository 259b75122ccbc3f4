import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
import type { RetiredKey } from "./handover.ts";
import { type Note, parseNote } from "./note.ts";
import { isSameKey, type NoteKey } from "./note-key.ts";
import type { Policy } from "./policy.ts";
import { isIncluded } from "./proof.ts";
import { SignatureInvalid, type VerifiedSignature, verifySignatures } from "./signature.ts";
import { NoteMalformed } from "./text-form.ts";
import type { TlogProof } from "./tlog-proof.ts";
import { leafHash } from "./tree.ts";

/** Why a checkpoint or proof is refused: for programs; the message says it in words. */
export type RefusalReason = "malformed" | "unknown_origin" | "wrong_signature" | "quorum_missing" | "not_included";

/** A checkpoint or proof that must not be believed. */
export class CheckpointRefused extends Error {
  override readonly name = "CheckpointRefused";
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Whom a verifier trusts. */
export interface Trust {
  /** Keys of logs; each log's origin is its key's name. Those of the policy are trusted as well. */
  readonly logs: readonly NoteKey[];
  /** Keys that are trusted for older checkpoints only: their signatures count for nothing on larger trees. */
  readonly retired?: readonly RetiredKey[];
  /** Absent: no witness is needed. */
  readonly policy?: Policy;
}

/** A checkpoint that verified. */
export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The key that signed it for the log. Of several, that of the first signature. */
  readonly log: NoteKey;
  /** The policy's witnesses that cosigned it, by the policy's names for them, with seconds since 1970. */
  readonly witnesses: readonly { readonly name: string; readonly timestamp: number }[];
}

/**
 * Verifies a signed checkpoint: its form, that a trusted key of its origin signed it, that no signature of a trusted key
 * is wrong, and that the policy's quorum of witnesses cosigned it.
 * @throws CheckpointRefused
 */
export function openCheckpoint(bytes: string | Uint8Array, trust: Trust): OpenedCheckpoint {
  const { note, checkpoint } = read(bytes);
  const ofOrigin = logKeysOf(checkpoint.origin, trust);
  if (ofOrigin.length === 0) {
    throw new CheckpointRefused("unknown_origin", "the checkpoint is of a log whose key is not trusted");
  }
  const retired = (trust.retired ?? []).filter(({ after }) => after < checkpoint.size);
  const logs = ofOrigin.filter((key) => !retired.some((one) => isSameKey(one.key, key)));
  const witnesses = trust.policy?.witnesses ?? [];
  const verified = verifyAll(note, [...logs, ...witnesses.map(({ key }) => key)]);
  const log = verified.find(({ key }) => logs.includes(key))?.key;
  if (log === undefined) {
    throw new CheckpointRefused("wrong_signature", "the checkpoint is not signed by a trusted key of its log");
  }
  const cosigned = witnesses.flatMap(({ name, key }) => {
    const timestamp = verified.find((signature) => signature.key === key)?.timestamp;
    return timestamp === undefined ? [] : [{ name, timestamp }];
  });
  if (trust.policy?.isQuorum(new Set(cosigned.map(({ name }) => name))) === false) {
    throw new CheckpointRefused("quorum_missing", "the checkpoint is not cosigned by the quorum of witnesses");
  }
  return { checkpoint, log, witnesses: cosigned };
}

/**
 * Verifies that a log has an entry, as {@link openCheckpoint} and by the proof's path (C2SP tlog-proof).
 * @throws CheckpointRefused
 */
export function verifyTlogProof(proof: TlogProof, entry: Uint8Array, trust: Trust): OpenedCheckpoint {
  const opened = openCheckpoint(proof.checkpoint, trust);
  const { size, root } = opened.checkpoint;
  if (!isIncluded(leafHash(entry), proof.index, size, proof.path, root)) {
    throw new CheckpointRefused("not_included", "the proof does not lead from this entry to the checkpoint's root");
  }
  return opened;
}

function read(bytes: string | Uint8Array): { readonly note: Note; readonly checkpoint: Checkpoint } {
  try {
    const note = parseNote(bytes);
    return { note, checkpoint: parseCheckpoint(note.text) };
  } catch (error) {
    throw error instanceof NoteMalformed ? new CheckpointRefused("malformed", error.message) : error;
  }
}

function logKeysOf(origin: string, { logs, policy }: Trust): readonly NoteKey[] {
  return [...logs, ...(policy?.logs ?? []).map(({ key }) => key)].filter(
    (key, i, all) => key.name === origin && all.findIndex((other) => isSameKey(key, other)) === i,
  );
}

function verifyAll(note: Note, keys: readonly NoteKey[]): readonly VerifiedSignature[] {
  try {
    return verifySignatures(note, keys);
  } catch (error) {
    throw error instanceof SignatureInvalid ? new CheckpointRefused("wrong_signature", error.message) : error;
  }
}
