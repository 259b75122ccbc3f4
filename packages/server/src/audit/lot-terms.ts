import type { KeyObject } from "node:crypto";
import { mac, macHex } from "../crypto/kdf.ts";
import { type EntryMarks, readMarks } from "./entry.ts";

/** Entries of a lot, which is indexed as a whole: sixteen bundles. */
export const LOT_ENTRIES = 4096;

/** Number of the lot that an entry is in. */
export function lotOf(index: number): number {
  return Math.floor(index / LOT_ENTRIES);
}

/** Records that a lot's terms are spread over, by their first hexadecimal digit: a search reads one of them. */
export const SHARDS = 16;

const FORMAT = 1;
const TERM_BYTES = 6;
const FINGERPRINT_BYTES = 32;
const HEAD_BYTES = 1 + FINGERPRINT_BYTES + 8;

/** What entries are looked up by. */
export interface Mark {
  readonly field: "identity" | "resource";
  /** Of an identity its id or its name; never empty. */
  readonly value: string;
}

/** What the index has in the place of a mark: 12 hexadecimal digits, the first 6 bytes of HMAC-SHA-256(field || 00 || value). */
export function termOf(key: KeyObject, { field, value }: Mark): string {
  return macHex(key, `${field}\0`, value).slice(0, 2 * TERM_BYTES);
}

/** What ties a lot's records to its entries. @param hashes Those that the tree has of its bundles (level 1), in their order. */
export function lotFingerprint(key: KeyObject, hashes: readonly Buffer[]): Buffer {
  return mac(key, "lot\0", ...hashes);
}

/** Which of a lot's records has a term. */
export function shardOf(term: string): number {
  return Number.parseInt(term.charAt(0), 16);
}

/** Which of its entries a lot has for a term, and since when. */
export interface LotMatches {
  /** Positions in the lot, ascending. Another mark with the same term may have given some. */
  readonly positions: readonly number[];
  /** Time of its oldest entry, in milliseconds since 1970. */
  readonly oldest: number;
}

/** The terms of the entries of one lot, as they come. */
export class LotTerms {
  readonly #key: KeyObject;
  readonly #terms = new Map<string, number[]>();
  /** By field and value, so that a mark that occurs again is not hashed again. */
  readonly #known = { identity: new Map<string, number[]>(), resource: new Map<string, number[]>() };
  #from: number;
  #end: number;
  #oldest = Number.POSITIVE_INFINITY;

  /** @param from Position of the first entry that it is given. */
  constructor(key: KeyObject, from: number) {
    this.#key = key;
    this.#from = from;
    this.#end = from;
  }

  /** It has the entries from this position on, */
  get from(): number {
    return this.#from;
  }

  /** to before this one. */
  get end(): number {
    return this.#end;
  }

  /** Takes the next entry. */
  add(entry: Buffer): void {
    const marks = readMarks(entry);
    if (marks !== undefined) {
      this.#add(marks);
    }
    this.#end += 1;
  }

  #add({ time, identity, identityName, resource }: EntryMarks): void {
    this.#oldest = Math.min(this.#oldest, time);
    this.#note("identity", identity);
    this.#note("identity", identityName);
    this.#note("resource", resource);
  }

  #note(field: Mark["field"], value: string): void {
    if (value === "") {
      return;
    }
    let positions = this.#known[field].get(value);
    if (positions === undefined) {
      const term = termOf(this.#key, { field, value });
      positions = this.#terms.get(term) ?? [];
      this.#terms.set(term, positions);
      this.#known[field].set(value, positions);
    }
    if (positions.at(-1) !== this.#end) {
      positions.push(this.#end);
    }
  }

  /** Takes over what lies before its first entry. */
  absorb(before: LotTerms): void {
    for (const [term, positions] of before.#terms) {
      const own = this.#terms.get(term);
      if (own === undefined) {
        this.#terms.set(term, positions);
      } else {
        own.unshift(...positions);
      }
    }
    this.#from = before.#from;
    this.#oldest = Math.min(this.#oldest, before.#oldest);
  }

  matches(term: string): LotMatches {
    return { positions: this.#terms.get(term) ?? [], oldest: this.#oldest };
  }

  /** The payloads of its records, one after the other: calls may come in between. @param fingerprint Of the lot's entries. */
  *encode(fingerprint: Buffer): Iterable<Buffer> {
    const shards = Array.from({ length: SHARDS }, (): [string, readonly number[]][] => []);
    for (const row of this.#terms) {
      shards[shardOf(row[0])]?.push(row);
    }
    for (const rows of shards) {
      yield this.#encodeShard(fingerprint, rows);
    }
  }

  #encodeShard(fingerprint: Buffer, rows: readonly [string, readonly number[]][]): Buffer {
    const shard = Buffer.alloc(rows.reduce((sum, [, { length }]) => sum + TERM_BYTES + 2 + 2 * length, HEAD_BYTES));
    shard.writeUInt8(FORMAT);
    fingerprint.copy(shard, 1);
    // Of a lot whose entries have no time nothing is known, which ends no search.
    shard.writeBigInt64BE(BigInt(Math.min(this.#oldest, Number.MAX_SAFE_INTEGER)), 1 + FINGERPRINT_BYTES);
    let at = HEAD_BYTES;
    for (const [term, positions] of rows.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      shard.write(term, at, "hex");
      at = shard.writeUInt16BE(positions.length, at + TERM_BYTES);
      for (const position of positions) {
        at = shard.writeUInt16BE(position, at);
      }
    }
    return shard;
  }
}

/**
 * Looks a term up in a record of its lot.
 * @param fingerprint Of the lot's entries, as the log has them.
 * @returns Undefined when the record is not of these entries, or not of this format.
 */
export function findInShard(payload: Buffer, fingerprint: Buffer, term: string): LotMatches | undefined {
  if (
    payload.length < HEAD_BYTES ||
    payload.readUInt8() !== FORMAT ||
    !fingerprint.equals(payload.subarray(1, 1 + FINGERPRINT_BYTES))
  ) {
    return undefined;
  }
  const oldest = Number(payload.readBigInt64BE(1 + FINGERPRINT_BYTES));
  const wanted = Buffer.from(term, "hex");
  for (let at = HEAD_BYTES; at < payload.length; ) {
    const first = at + TERM_BYTES + 2;
    const count = first > payload.length ? 0 : payload.readUInt16BE(first - 2);
    if (count === 0 || first + 2 * count > payload.length) {
      return undefined;
    }
    if (wanted.compare(payload, at, at + TERM_BYTES) === 0) {
      return { positions: Array.from({ length: count }, (_, i) => payload.readUInt16BE(first + 2 * i)), oldest };
    }
    at = first + 2 * count;
  }
  return { positions: [], oldest };
}
