import { type Frontier, formatCheckpoint, formatNote } from "@bunkms/tlog";

/** A checkpoint, signed and on disk. */
export interface SignedCheckpoint {
  readonly size: number;
  readonly root: Buffer;
  /** The signed note (C2SP tlog-checkpoint), with cosignatures if it has any. */
  readonly note: string;
  /** When it was signed, or cosigned: milliseconds since 1970; undefined of one that was found on disk. */
  readonly at?: number;
}

/** Where checkpoints are kept, and who signs them. */
export interface CheckpointParts {
  readonly origin: string;
  /** Signature lines of the log's keys over a note's text. */
  readonly sign: (text: string) => readonly string[];
  /** Writes the newest checkpoint to disk. */
  readonly save: (note: string) => Promise<void>;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** A checkpoint is due after so many entries, less what one more commit may bring: so at least every thousand. */
const DUE_ENTRIES = 1_000 - 256;
/** And, while entries come, after so long. */
const DUE_MS = 1_000;

/**
 * The log's checkpoints: each is signed over entries that are on disk, is on disk itself before anybody sees it, and is of
 * no fewer entries than the one before. One is signed at a time.
 */
export class Checkpoints {
  readonly #parts: CheckpointParts;
  #latest: SignedCheckpoint | undefined;
  #cosigned: SignedCheckpoint | undefined;
  #restored: SignedCheckpoint | undefined;
  #needsWitnesses = false;
  #signedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
  }

  get origin(): string {
    return this.#parts.origin;
  }

  /** The newest one; undefined in a log that has none yet. */
  get latest(): SignedCheckpoint | undefined {
    return this.#latest;
  }

  /** Number of entries under the newest one; 0: there is none. */
  get size(): number {
    return this.#latest?.size ?? 0;
  }

  /** The newest one that the witnesses have cosigned as the policy asks, on disk; undefined without a policy. */
  get cosigned(): SignedCheckpoint | undefined {
    return this.#cosigned;
  }

  /** The one to be shown: where witnesses are needed, the newest that they cosigned, once there is one. */
  get published(): SignedCheckpoint | undefined {
    const isShown = this.#needsWitnesses || this.#cosigned?.size === this.#latest?.size;
    return isShown ? (this.#cosigned ?? this.#latest) : this.#latest;
  }

  /** One that witnesses had cosigned before the vault was opened, whatever the policy was then. */
  get restored(): SignedCheckpoint | undefined {
    return this.#restored;
  }

  /** Remembers one that was found on disk, whose own signature was verified. */
  restore(cosigned: SignedCheckpoint): void {
    this.#restored = cosigned;
  }

  /** From now on the policy's witnesses count. */
  useWitnesses(areNeeded: boolean): void {
    this.#needsWitnesses = areNeeded;
  }

  /** Shows one that witnesses have cosigned, once it is on disk. */
  adoptCosigned(cosigned: SignedCheckpoint): void {
    this.#cosigned = cosigned;
  }

  /** Goes on after the one that was found on disk, whose signature was verified. */
  adopt(latest: SignedCheckpoint): void {
    this.#latest = latest;
  }

  /** Whether a log that ends so is to be signed now, and not only when it pauses. */
  isDue({ size }: Frontier): boolean {
    return size - this.size >= DUE_ENTRIES || (size > this.size && this.#parts.monotonic() - this.#signedAt >= DUE_MS);
  }

  /** Signs the log as it is on disk, unless that was done. @throws StoreUnavailable */
  async sign(frontier: Frontier): Promise<void> {
    const { origin, sign, save, monotonic, clock } = this.#parts;
    const { size } = frontier;
    if (size <= this.size) {
      return;
    }
    const root = frontier.root();
    const text = formatCheckpoint({ origin, size, root });
    const note = formatNote(text, sign(text));
    await save(note);
    this.#latest = { size, root, note, at: clock() };
    this.#signedAt = monotonic();
  }
}
