import { Frontier, HASH_BYTES, leafHash, MAX_ENTRY_BYTES } from "@bunkms/tlog";
import { Edges, type FilledTile } from "./edges.ts";

const FORMAT = 2;
const HEAD_BYTES = 29;

/** Where the log ends. Immutable. */
export interface LogEnd {
  /** Number of entries, and what is needed of the tree to append. */
  readonly frontier: Frontier;
  /** The last tile of each level, as far as it is filled. */
  readonly edges: Edges;
  /** Bytes of all entries so far, of pruned ones as well. */
  readonly bytes: number;
}

export const EMPTY_LOG: LogEnd = { frontier: Frontier.EMPTY, edges: Edges.EMPTY, bytes: 0 };

/** A batch of entries, not yet on disk. */
export interface PreparedBatch {
  /** Path of its record in the table `audit`. */
  readonly path: string;
  /** Content of its record, to be sealed. */
  readonly payload: Buffer;
  /** Where the log ends with the batch. */
  readonly end: LogEnd;
  /** Tiles that it fills, and those of the higher levels that it makes wider: to be written with it. */
  readonly tiles: readonly FilledTile[];
}

/** A batch read back. */
export interface Batch {
  /** Index of its first entry. */
  readonly first: number;
  readonly entries: readonly Buffer[];
  readonly frontier: Frontier;
  /** Bytes of all entries up to its last one. */
  readonly bytes: number;
  /** Size of the newest checkpoint that was on disk when it was written; 0: none. */
  readonly signed: number;
}

/** An entry is too long for the log, whose bundles give its length two bytes (C2SP tlog-tiles). */
export class EntryTooLong extends Error {
  constructor(bytes: number) {
    super(`an audit entry of ${bytes} bytes is longer than ${MAX_ENTRY_BYTES}`);
    this.name = "EntryTooLong";
  }
}

/**
 * The audit log's growing end. Entries become leaves of a Merkle tree; those that one group commit makes durable form
 * a batch, one record (spec/audit.md). The log itself is the batches in the store: this object only knows where it ends.
 */
export class AuditLog {
  #end: LogEnd = EMPTY_LOG;

  get end(): LogEnd {
    return this.#end;
  }

  /** The end of the log: number of entries and root. */
  get frontier(): Frontier {
    return this.#end.frontier;
  }

  /**
   * Lays out the next batch. Nothing changes until `adopt`.
   * @param signed Size of the newest checkpoint that is on disk; 0: none.
   */
  prepare(entries: readonly Buffer[], signed: number): PreparedBatch {
    const leaves = entries.map(leafHash);
    const { size } = this.#end.frontier;
    const roots: Buffer[] = [];
    const frontier = this.#end.frontier.append(leaves, (root) => roots.push(root));
    const bytes = entries.reduce((sum, entry) => sum + entry.length, this.#end.bytes);
    const { edges, tiles } = this.#end.edges.append(size, leaves, roots);
    return {
      path: batchPath(frontier.size - 1),
      payload: encodeBatch({ first: size, entries, frontier, bytes, signed }),
      end: { frontier, edges, bytes },
      tiles,
    };
  }

  /** Goes on from this end: the one of a prepared batch once it is durable, or what was found in the store. */
  adopt(end: LogEnd): void {
    this.#end = end;
  }
}

/** All batches lie under this prefix, one log a node. */
export const BATCH_PREFIX = "main/";

/**
 * Path of the batch whose last entry has this index. The last one, not the first, so that a listing upwards from an
 * index begins with the batch that holds it.
 */
export function batchPath(lastIndex: number): string {
  return BATCH_PREFIX + hex(lastIndex);
}

/** Path of a tile's record in the table `audit-tile`. */
export function tileRecordPath(level: number, index: number): string {
  return `${BATCH_PREFIX}${level.toString(16).padStart(2, "0")}/${hex(index)}`;
}

/** What the paths of a lot's records in the table `audit-index` begin with. */
export function lotRecordPath(lot: number): string {
  return BATCH_PREFIX + hex(lot);
}

function hex(index: number): string {
  return index.toString(16).padStart(16, "0");
}

function encodeBatch({ first, entries, frontier, bytes, signed }: Batch): Buffer {
  const length = entries.reduce(
    (sum, entry) => sum + 4 + entry.length,
    HEAD_BYTES + HASH_BYTES * frontier.hashes.length,
  );
  // Every byte of it is written.
  const batch = Buffer.allocUnsafe(length);
  batch.writeUInt8(FORMAT, 0);
  batch.writeBigUInt64BE(BigInt(first), 1);
  batch.writeUInt32BE(entries.length, 9);
  batch.writeBigUInt64BE(BigInt(bytes), 13);
  batch.writeBigUInt64BE(BigInt(signed), 21);
  let at = HEAD_BYTES;
  for (const entry of entries) {
    batch.writeUInt32BE(entry.length, at);
    batch.set(entry, at + 4);
    at += 4 + entry.length;
  }
  for (const hash of frontier.hashes) {
    batch.set(hash, at);
    at += HASH_BYTES;
  }
  return batch;
}

/**
 * Reads a batch's record.
 * @throws RangeError when it is not exactly one batch.
 */
export function decodeBatch(payload: Buffer): Batch {
  if (payload.length < HEAD_BYTES || payload.readUInt8(0) !== FORMAT) {
    throw new RangeError("not an audit batch of a known format");
  }
  const first = Number(payload.readBigUInt64BE(1));
  const count = payload.readUInt32BE(9);
  const bytes = Number(payload.readBigUInt64BE(13));
  const signed = Number(payload.readBigUInt64BE(21));
  const entries: Buffer[] = [];
  let at = HEAD_BYTES;
  for (let i = 0; i < count; i++) {
    const end = at + 4 + payload.readUInt32BE(at);
    if (end > payload.length) {
      throw new RangeError("the audit batch is cut short");
    }
    entries.push(payload.subarray(at + 4, end));
    at = end;
  }
  const hashes: Buffer[] = [];
  for (; at + HASH_BYTES <= payload.length; at += HASH_BYTES) {
    hashes.push(payload.subarray(at, at + HASH_BYTES));
  }
  if (at !== payload.length) {
    throw new RangeError("the audit batch has bytes too many");
  }
  if (!Number.isSafeInteger(bytes) || signed > first) {
    throw new RangeError("the audit batch has numbers that cannot be");
  }
  return { first, entries, frontier: new Frontier(first + count, hashes), bytes, signed };
}
