/**
 * The store port: where sealed records lie. An adapter sees table names, paths and sealed bytes, nothing else.
 *
 * Every adapter passes the same conformance suite (conformance.ts).
 */

/** The tables of the vault. `audit` is append-only; all others hold one record a path. */
export type Table =
  | "meta"
  | "key"
  | "key-version"
  | "key-material"
  | "key-usage"
  | "alias"
  | "import-key"
  | "secret"
  | "secret-version"
  | "secret-value"
  | "token"
  | "idempotency"
  | "audit"
  | "audit-tile"
  | "audit-index"
  | "audit-checkpoint"
  | "audit-cursor"
  | "audit-key"
  | "audit-retention"
  | "attachment"
  | "attachment-part"
  | "attachment-removal"
  | "probe";

/** That something lies under one path, and which writing of it. */
export interface RecordRevision {
  /** 1 to 512 bytes of `[0-9a-z/.-]`; its order is the order of its bytes. */
  readonly path: string;
  /** Changes with each write of the record; never 0. Opaque but for equality. */
  readonly revision: number;
}

/** What lies under one path. */
export interface StoredRecord extends RecordRevision {
  /** The sealed bytes, at most 8 MiB. The caller may keep them, and with them all of one listing; the store never changes them. */
  readonly value: Uint8Array;
}

/** One write of a commit. It applies only if the record is still at `expected`. */
export interface Write {
  readonly table: Table;
  readonly path: string;
  /** New value, or null to delete. */
  readonly value: Uint8Array | null;
  /** The revision that the record must have now; 0: it must not exist. */
  readonly expected: number;
}

export interface ListOptions {
  /** Only paths that begin with this. */
  readonly prefix?: string;
  /** Only paths after this one in the order of the listing. */
  readonly after?: string;
  /** At most this many, 1 to 10,000. */
  readonly limit: number;
  /** From the last path to the first. */
  readonly reverse?: boolean;
}

/** A commit did not apply since a record was not at the expected revision. Nothing was written. */
export class RevisionConflict extends Error {
  readonly table: Table;
  readonly path: string;

  constructor(table: Table, path: string) {
    super(`record changed since it was read: ${table}`);
    this.name = "RevisionConflict";
    this.table = table;
    this.path = path;
  }
}

/**
 * The store cannot be read or written now: disk full, I/O error, closed. The cause says more.
 * After a failed commit the caller does not know whether it applied, and must read before it goes on.
 */
export class StoreUnavailable extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "StoreUnavailable";
  }
}

export interface Store {
  /** The record, or undefined. */
  get(table: Table, path: string): Promise<StoredRecord | undefined>;

  /** Those records of up to 10,000 paths that are there, in the order of the paths, all read between the same two commits. */
  getMany(table: Table, paths: readonly string[]): Promise<readonly StoredRecord[]>;

  /** Records of one table in the order of their paths. */
  list(table: Table, options: ListOptions): Promise<readonly StoredRecord[]>;

  /** What `list` gives, without the values, which are not even read: for who removes or writes over what he need not know. */
  listRevisions(table: Table, options: ListOptions): Promise<readonly RecordRevision[]>;

  /**
   * Applies all writes or none. When it returns, they are on disk and survive a power cut.
   * A commit writes each path at most once.
   * @returns The revisions of the written records, in the order of the writes (0 for a deleted one).
   * @throws RevisionConflict, StoreUnavailable
   */
  commit(writes: readonly Write[]): Promise<readonly number[]>;

  /** Lets go of the store. Calls after it throw StoreUnavailable. */
  close(): Promise<void>;
}
