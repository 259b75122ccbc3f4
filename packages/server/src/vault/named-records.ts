import type { KeyObject } from "node:crypto";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { macHex } from "../crypto/kdf.ts";
import type { Table } from "../store/store.ts";
import { Lru } from "./lru.ts";
import { type Entry, NameIndex } from "./name-index.ts";
import type { Change, RecordRef, Records, ReportRecord } from "./records.ts";

/** A named record as it is in the store. */
export interface NamedRecord<M> {
  readonly record: M;
  readonly ref: RecordRef;
}

interface Named {
  readonly name: string;
}

/** Which names: that begin with a prefix, come after another, at most so many, whose summary fits, and that have the label. */
type PageOrder<S> = readonly [
  prefix: string,
  after: string,
  limit: number,
  fits?: (summary: S) => boolean,
  label?: string,
];

const CACHED = 10_000;

/**
 * Records that people name: each lies under the HMAC of its name, so that the store does not see names. An index of the
 * names is kept in memory, with a summary of each record for finding it, and the records used last.
 */
export class NamedRecords<
  D extends DescMessage,
  M extends MessageShape<D> & Named,
  S = undefined,
  H extends Named = M,
> {
  readonly #table: Table;
  readonly #schema: D;
  readonly #records: Records;
  readonly #indexKey: KeyObject;
  readonly #summarise: (record: M | H, shared: (text: string) => string) => S;
  readonly #readHeading: (payload: Buffer) => M | H;
  readonly #names: NameIndex<S>;
  readonly #cache = new Lru<NamedRecord<M>>(CACHED);
  /** Goes up with each change, so that what was read before one does not enter the cache after it. */
  #changes = 0;

  /**
   * @param summarise Gets a function too that gives the one copy of a text that summaries share.
   * @param labelsOf What a record is found by beside its name.
   * @param readHeading Reads of a record what its summary is made of, where that is quicker than to read all.
   */
  constructor(
    table: Table,
    schema: D,
    records: Records,
    indexKey: KeyObject,
    summarise: (record: M | H, shared: (text: string) => string) => S,
    labelsOf?: (summary: S) => readonly string[],
    readHeading?: (payload: Buffer) => H,
  ) {
    this.#table = table;
    this.#schema = schema;
    this.#records = records;
    this.#indexKey = indexKey;
    this.#summarise = summarise;
    this.#readHeading = readHeading ?? ((payload) => this.#decode(payload));
    this.#names = new NameIndex(labelsOf);
  }

  /** Reads all names; forgets what was cached. @param report Told of each record. */
  async load(report: ReportRecord = () => {}): Promise<void> {
    const entries: Entry<S>[] = [];
    const texts = new Map<string, string>();
    const shared = (text: string): string => {
      const first = texts.get(text);
      if (first === undefined) {
        texts.set(text, text);
      }
      return first ?? text;
    };
    await this.#records.each(this.#table, (opened) => {
      report(this.#table, opened);
      const heading = this.#readHeading(opened.payload);
      entries.push({ name: heading.name, summary: this.#summarise(heading, shared) });
    });
    this.#names.load(entries);
    this.#cache.clear();
    this.#changes += 1;
  }

  async find(name: string): Promise<NamedRecord<M> | undefined> {
    const cached = this.#cache.get(name);
    if (cached !== undefined) {
      return cached;
    }
    const changes = this.#changes;
    const stored = await this.#records.read(this.#table, this.#path(name));
    if (stored === undefined) {
      return undefined;
    }
    const found = { record: this.#decode(stored.payload), ref: stored.ref };
    if (changes === this.#changes) {
      this.#cache.set(name, found);
    }
    return found;
  }

  /**
   * The records of a page of names, as `page` has them. What is deleted while they are read is left out, and others come in its place:
   * there are fewer than `limit` only if no more follow.
   */
  async list(...[prefix, after, limit, fits, label]: PageOrder<S>): Promise<readonly NamedRecord<M>[]> {
    const found: NamedRecord<M>[] = [];
    for (let last: string | undefined = after; last !== undefined && found.length < limit; ) {
      const missing = limit - found.length;
      const names = this.page(prefix, last, missing, fits, label);
      found.push(...(await this.#findMany(names)));
      last = names.length < missing ? undefined : names.at(-1);
    }
    return found;
  }

  /** At most `limit` names that begin with `prefix`, come after `after`, have the label and whose summary fits, in order. */
  page(...[prefix, after, limit, fits, label]: PageOrder<S>): readonly string[] {
    return this.#names.page(prefix, after, limit, fits, label);
  }

  /** The change that writes a record; null: the name is new. */
  put(record: M, previous: RecordRef | null): Change {
    return { table: this.#table, path: this.#path(record.name), payload: toBinary(this.#schema, record), previous };
  }

  delete(name: string, previous: RecordRef): Change {
    return { table: this.#table, path: this.#path(name), payload: null, previous };
  }

  /** Follows a commit of `put`. */
  written(record: M, ref: RecordRef | undefined): void {
    this.#changes += 1;
    this.#cache.set(record.name, { record, ref: ref as RecordRef });
    this.#names.set(
      record.name,
      this.#summarise(record, (text) => text),
    );
  }

  /** Follows a commit of `delete`. */
  deleted(name: string): void {
    this.#changes += 1;
    this.#cache.delete(name);
    this.#names.remove(name);
  }

  /** Those of many names that are there, in the order of the names. */
  async #findMany(names: readonly string[]): Promise<readonly NamedRecord<M>[]> {
    const found = new Map<string, NamedRecord<M>>();
    const missing: string[] = [];
    for (const name of names) {
      const cached = this.#cache.get(name);
      if (cached === undefined) {
        missing.push(name);
      } else {
        found.set(name, cached);
      }
    }
    const changes = this.#changes;
    const paths = missing.map((name) => this.#path(name));
    for (const { payload, ref } of await this.#records.readMany(this.#table, paths)) {
      const read = { record: this.#decode(payload), ref };
      found.set(read.record.name, read);
      if (changes === this.#changes) {
        this.#cache.set(read.record.name, read);
      }
    }
    return names.flatMap((name) => found.get(name) ?? []);
  }

  #decode(payload: Buffer): M {
    return fromBinary(this.#schema, payload) as M;
  }

  #path(name: string): string {
    return macHex(this.#indexKey, `${this.#table}\0${name}`);
  }
}

/** Path of one version of what has this id: ten decimal digits, so that the order of paths is that of versions. */
export function versionPath(id: string, version: number): string {
  return `${id}/${version.toString().padStart(10, "0")}`;
}
