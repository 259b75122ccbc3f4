import { Frontier, leafHash } from "@bunkms/tlog";

const FORMAT = 1;
const HASH_LENGTH = 32;

/** A batch of entries, not yet on disk. */
export interface PreparedBatch {
  /** Path of its record in the table `audit`. */
  readonly path: string;
  /** Content of its record, to be sealed. */
  readonly payload: Buffer;
  /** The log's frontier with the batch. */
  readonly frontier: Frontier;
}

/** A batch read back. */
export interface Batch {
  /** Index of its first entry. */
  readonly first: number;
  readonly entries: readonly Buffer[];
  readonly frontier: Frontier;
}

/**
 * The audit log's growing end. Entries become leaves of a Merkle tree; those that one group commit makes durable form
 * a batch, one record (spec/audit.md). The log itself is the batches in the store: this object only knows where it ends.
 */
export class AuditLog {
  #frontier: Frontier = Frontier.EMPTY;

  /** The end of the log: number of entries and root. */
  get frontier(): Frontier {
    return this.#frontier;
  }

  /** Lays out the next batch. Nothing changes until `adopt`. */
  prepare(entries: readonly Buffer[]): PreparedBatch {
    const frontier = this.#frontier.append(entries.map(leafHash));
    return {
      path: batchPath(frontier.size - 1),
      payload: encodeBatch(this.#frontier.size, entries, frontier),
      frontier,
    };
  }

  /** Goes on from this frontier: the one of a prepared batch once it is durable, or of the last stored batch. */
  adopt(frontier: Frontier): void {
    this.#frontier = frontier;
  }
}

/** All batches lie under this prefix, one log a node. */
export const BATCH_PREFIX = "main/";

/**
 * Path of the batch whose last entry has this index. The last one, not the first, so that a listing upwards from an
 * index begins with the batch that holds it.
 */
export function batchPath(lastIndex: number): string {
  return BATCH_PREFIX + lastIndex.toString(16).padStart(16, "0");
}

function encodeBatch(first: number, entries: readonly Buffer[], frontier: Frontier): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt8(FORMAT, 0);
  head.writeBigUInt64BE(BigInt(first), 1);
  head.writeUInt32BE(entries.length, 9);
  const parts: Buffer[] = [head];
  for (const entry of entries) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(entry.length);
    parts.push(length, entry);
  }
  parts.push(...frontier.hashes);
  return Buffer.concat(parts);
}

/**
 * Reads a batch's record.
 * @throws RangeError when it is not exactly one batch.
 */
export function decodeBatch(payload: Buffer): Batch {
  if (payload.length < 13 || payload.readUInt8(0) !== FORMAT) {
    throw new RangeError("not an audit batch of a known format");
  }
  const first = Number(payload.readBigUInt64BE(1));
  const count = payload.readUInt32BE(9);
  const entries: Buffer[] = [];
  let at = 13;
  for (let i = 0; i < count; i++) {
    const end = at + 4 + payload.readUInt32BE(at);
    if (end > payload.length) {
      throw new RangeError("the audit batch is cut short");
    }
    entries.push(payload.subarray(at + 4, end));
    at = end;
  }
  const hashes: Buffer[] = [];
  for (; at + HASH_LENGTH <= payload.length; at += HASH_LENGTH) {
    hashes.push(payload.subarray(at, at + HASH_LENGTH));
  }
  if (at !== payload.length) {
    throw new RangeError("the audit batch has bytes too many");
  }
  return { first, entries, frontier: new Frontier(first + count, hashes) };
}
