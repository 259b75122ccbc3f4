import { equal, wipe } from "../crypto/kdf.ts";
import type { ListOptions, RecordRevision, Store, StoredRecord, Table, Write } from "../store/store.ts";
import { type Aside, Asides } from "./asides.ts";
import { DamageWatch } from "./damage-watch.ts";
import type { Keyring } from "./keyring.ts";
import { KEYRING_PATH, KEYRING_TABLE } from "./keyring-record.ts";
import { openRecord, RecordDamaged, recordVersion, sealRecord } from "./record.ts";
import { pagesOf } from "./record-pages.ts";
import { Resealing } from "./resealing.ts";
import { VaultRolledBack } from "./rolled-back.ts";
import { MUTABLE_TABLES, StateDigest, type UndigestedTable, VaultState, versionsOf } from "./state.ts";

/** Which writing of a record somebody read, to be given back when it is changed. */
export interface RecordRef {
  /** The store's revision. */
  readonly revision: number;
  /** Number of the mutation that wrote it. */
  readonly version: number;
}

/** A record, opened. */
export interface OpenedRecord {
  readonly path: string;
  /** Its reader zeroes it, if it is secret. */
  readonly payload: Buffer;
  readonly ref: RecordRef;
}

/** Told of each record that a loading reads. */
export type ReportRecord = (table: Table, record: OpenedRecord) => void;

/** A record to be written or deleted, with the next commit. */
export interface Change {
  readonly table: Table;
  readonly path: string;
  /** Plain content, null to delete. The commit seals it and leaves it as it is. */
  readonly payload: Uint8Array | null;
  /** What it replaces; null: nothing is there yet. */
  readonly previous: RecordRef | null;
  /** How the content gets the form that lies in the store, where it is not the barrier that seals it. */
  readonly sealAs?: (payload: Uint8Array, version: number) => Uint8Array;
}

/** What goes into a commit besides changes. */
export interface BatchRecord {
  readonly path: string;
  readonly payload: Uint8Array;
  /** Written with it. */
  readonly asides?: readonly Aside[];
}

const STATE_PATH = "state";
/** Made of the audit log's entries, again wherever it is missing. */
const DERIVED: readonly Table[] = ["audit-tile", "audit-index"];
const PAGE = 1000;
/** Of a record that was not read, and whose version the state's digest does not have. */
const NO_VERSION = 0;
/** So many of the records that a call asks for are opened in one turn of the event loop: some milliseconds. */
const AT_ONCE = 250;

/**
 * The barrier: between it and the store there are sealed records only. Every mutation has a number, the generation,
 * which is the version of the records that it writes.
 *
 * One commit at a time: its caller waits for one before it begins the next.
 */
export class Records {
  readonly damage = new DamageWatch();
  readonly #store: Store;
  readonly #cluster: Buffer;
  readonly #resealing: Resealing;
  readonly #asides: Asides;
  #keyring: Keyring;
  #state: VaultState = VaultState.EMPTY;
  #stateRevision = 0;
  /** Changes of a vault that is not in the store yet: they go with the first commit. */
  #genesis: readonly Change[];

  constructor(store: Store, cluster: Buffer, keyring: Keyring, genesis: readonly Change[] = []) {
    this.#store = store;
    this.#cluster = cluster;
    this.#keyring = keyring;
    this.#genesis = genesis;
    this.#resealing = new Resealing(store);
    this.#asides = new Asides(store, ({ table, path }, payload, generation) =>
      this.#seal(table, path, generation, payload),
    );
  }

  get generation(): number {
    return this.#state.generation;
  }

  /** @throws RecordDamaged, StoreUnavailable */
  async read(table: Table, path: string): Promise<OpenedRecord | undefined> {
    const record = await this.#store.get(table, path);
    return record && this.#open(table, record);
  }

  /**
   * Those of many records that are there, in the order of the paths. Asks for the next ones before it opens some: the store reads on
   * meanwhile.
   * @throws RecordDamaged, StoreUnavailable
   */
  async readMany(table: Table, paths: readonly string[]): Promise<readonly OpenedRecord[]> {
    const ask = (from: number): Promise<readonly StoredRecord[]> | undefined =>
      from < paths.length ? this.#store.getMany(table, paths.slice(from, from + AT_ONCE)) : undefined;
    const opened: OpenedRecord[] = [];
    let asked = ask(0);
    for (let from = AT_ONCE; asked !== undefined; from += AT_ONCE) {
      const next = ask(from);
      // Nobody waits for it when these cannot be read or opened, and its failure must not end the process then.
      next?.catch(() => {});
      for (const record of await asked) {
        opened.push(this.#open(table, record));
      }
      asked = next;
    }
    return opened;
  }

  /** A page of records. @throws RecordDamaged, StoreUnavailable */
  async list(table: Table, options: ListOptions): Promise<readonly OpenedRecord[]> {
    return (await this.#store.list(table, options)).map((record) => this.#open(table, record));
  }

  /** The path of the first record of a listing, whose value is not read. @throws StoreUnavailable */
  async firstPath(table: Table, options: Omit<ListOptions, "limit">): Promise<string | undefined> {
    return (await this.#store.listRevisions(table, { ...options, limit: 1 }))[0]?.path;
  }

  /** The paths of all records of a prefix, whose values are not read. @throws VaultRolledBack, StoreUnavailable */
  async *paths(table: Table, prefix: string): AsyncIterable<string> {
    for await (const page of this.#revisionPages(table, prefix)) {
      yield* page.map(({ path }) => path);
    }
  }

  /** All records of a table or prefix, read in pages of so many. */
  async *all(table: Table, prefix = "", pageSize = PAGE): AsyncIterable<OpenedRecord> {
    for await (const page of this.#pages(table, prefix, pageSize)) {
      for (const record of page) {
        yield this.#open(table, record);
      }
    }
  }

  /**
   * Gives all records of a table to `take`, one after the other, without a turn of the event loop for each.
   * @throws RecordDamaged, VaultRolledBack, StoreUnavailable
   */
  async each(table: Table, take: (record: OpenedRecord) => void): Promise<void> {
    for await (const page of this.#pages(table, "", PAGE)) {
      for (const record of page) {
        take(this.#open(table, record));
      }
    }
  }

  /**
   * The changes that remove all records of a prefix, or those that lie before a path, of which there are about so many. What they hold
   * is not read and need not open: so their versions stay unknown, which the state's digest would need of its tables.
   * @throws VaultRolledBack, StoreUnavailable
   */
  async removals(table: UndigestedTable, prefix: string, before?: string, about = PAGE): Promise<readonly Change[]> {
    const changes: Change[] = [];
    for await (const page of this.#revisionPages(table, prefix, Math.min(about, PAGE))) {
      for (const { path, revision } of page) {
        if (before !== undefined && path >= before) {
          return changes;
        }
        changes.push({ table, path, payload: null, previous: { revision, version: NO_VERSION } });
      }
    }
    return changes;
  }

  /** A record as it lies in the store: for what the barrier does not seal. @throws StoreUnavailable */
  async stored(table: Table, path: string): Promise<StoredRecord | undefined> {
    return this.#store.get(table, path);
  }

  /** From now on records are sealed by the newest of these barrier keys. */
  useBarrier({ barrier, barrierVersion }: Pick<Keyring, "barrier" | "barrierVersion">): void {
    this.#keyring = { ...this.#keyring, barrier, barrierVersion };
  }

  /** The barrier key that seals new records. */
  get barrierVersion(): number {
    return this.#keyring.barrierVersion;
  }

  /** Whether there is more than one barrier key: records may lie under an older one. */
  get hasOldBarrier(): boolean {
    return this.#keyring.barrier.size > 1;
  }

  /**
   * Seals the next records of a table by the newest barrier key, those that are not yet. Content and version stay. What does not open
   * leaves where it is made again by itself, so that it does not keep the old key.
   * @param after The path that the last call returned; none at first.
   * @returns How many, and the path to go on after; no path when the table is done.
   * @throws StoreUnavailable, RecordDamaged; RevisionConflict when one was written meanwhile: to be tried again.
   */
  async reseal(table: Table, after?: string): Promise<{ readonly resealed: number; readonly after?: string }> {
    const { barrier, barrierVersion } = this.#keyring;
    const key = barrier.get(barrierVersion);
    if (key === undefined) {
      throw new RecordDamaged(table, "");
    }
    return this.#resealing.next(table, after, barrierVersion, (record) => {
      try {
        const { path, payload, ref } = this.#open(table, record);
        const value = sealRecord(
          key,
          barrierVersion,
          { cluster: this.#cluster, table, path, version: ref.version },
          payload,
        );
        wipe(payload);
        return value;
      } catch (error) {
        if (error instanceof RecordDamaged && DERIVED.includes(table)) {
          return null;
        }
        throw error;
      }
    });
  }

  /** Forgets which records were resealed: after all caches were read anew. */
  forgetResealed(): void {
    this.#resealing.forget();
  }

  /**
   * Writes the changes, and an audit batch, as one commit. With changes it is a mutation: the generation goes up.
   * @returns What was written, in the order of the changes (of a deleted record: undefined).
   * @throws RevisionConflict, StoreUnavailable
   */
  async commit(changes: readonly Change[], batch: BatchRecord): Promise<readonly (RecordRef | undefined)[]> {
    const all = [...changes, ...this.#genesis];
    const state =
      all.length === 0
        ? this.#state
        : this.#state.next(
            this.#keyring.state,
            versionsOf(all, this.#state.generation + 1),
            all.some(({ table, path }) => table === KEYRING_TABLE && path === KEYRING_PATH),
          );
    const writes = all.map((change) => this.#write(change, state.generation));
    if (all.length > 0) {
      writes.push(this.#sealed("meta", STATE_PATH, state.generation, state.encode(), this.#stateRevision));
    }
    writes.push(this.#sealed("audit", batch.path, state.generation, batch.payload, 0));
    const revisions = await this.#asides.commit(writes, batch.asides ?? [], state.generation);
    // The keyring is among them, in the clear.
    wipe(...this.#genesis.flatMap(({ payload }) => payload ?? []));
    this.#genesis = [];
    if (all.length > 0) {
      this.#state = state;
      this.#stateRevision = revisions[all.length] as number;
    }
    return changes.map((change, i) =>
      change.payload === null ? undefined : { revision: revisions[i] as number, version: state.generation },
    );
  }

  /** Writes records that are no mutation, as one commit. @throws StoreUnavailable */
  async keep(asides: readonly Aside[]): Promise<void> {
    await this.#asides.commit([], asides, this.#state.generation);
  }

  /**
   * Removes the first records of a table, or of a prefix in it, that lie before a path: what nobody needs any more.
   * @param limit So many at most.
   * @returns Whether there may be more.
   * @throws StoreUnavailable
   */
  async removeBefore(table: Aside["table"], before: string, limit: number, prefix = ""): Promise<boolean> {
    return this.#asides.removeBefore(table, before, limit, prefix);
  }

  /**
   * Reads the state record again.
   * @param witnessed Generation that the last audit batch carries.
   * @returns Whether the generation is another than before.
   * @throws VaultRolledBack when state and audit log disagree.
   */
  async reload(witnessed: number | undefined): Promise<boolean> {
    const before = this.#state.generation;
    const record = await this.read("meta", STATE_PATH);
    if (record === undefined) {
      throw new VaultRolledBack("the vault's state record is missing");
    }
    const state = VaultState.decode(record.payload);
    if (state.generation !== record.ref.version || state.generation !== witnessed) {
      throw new VaultRolledBack("the vault's state and its audit log are not of the same generation");
    }
    this.#state = state;
    this.#stateRevision = record.ref.revision;
    return state.generation !== before;
  }

  /**
   * Checks that the keyring and the mutable tables are just those that were last written.
   * @param keyringVersion Number of the mutation that wrote the keyring which opened the vault.
   * @param load Reads all records of some tables and reports each, so that these need not be read twice.
   * @throws VaultRolledBack
   */
  async verifyState(
    keyringVersion: number,
    load: (report: ReportRecord) => Promise<readonly Table[]> = async () => [],
  ): Promise<void> {
    if (keyringVersion !== this.#state.keyringGeneration) {
      throw new VaultRolledBack("the vault's keyring and seal slots are not those that were last written");
    }
    const digest = new StateDigest(this.#keyring.state);
    const loaded = await load((table, { path, ref: { version } }) => digest.add({ table, path, version }));
    for (const table of MUTABLE_TABLES.filter((mutable) => !loaded.includes(mutable))) {
      for await (const page of this.#pages(table, "", PAGE)) {
        for (const { path, value } of page) {
          digest.add({ table, path, version: recordVersion(value, table, path) });
        }
      }
    }
    if (!equal(digest.value, this.#state.digest)) {
      throw new VaultRolledBack("the vault's records are not those that were last written");
    }
  }

  #open(table: Table, record: StoredRecord): OpenedRecord {
    try {
      const { version, payload } = openRecord(this.#keyring.barrier, this.#cluster, table, record.path, record.value);
      return { path: record.path, payload, ref: { revision: record.revision, version } };
    } catch (error) {
      if (error instanceof RecordDamaged) {
        this.damage.found(error);
      }
      throw error;
    }
  }

  #write(change: Change, version: number): Write {
    const { table, path, payload, sealAs } = change;
    const expected =
      change.previous === null ? 0 : this.#resealing.currentRevision(table, path, change.previous.revision);
    if (payload === null) {
      return { table, path, value: null, expected };
    }
    return sealAs === undefined
      ? this.#sealed(table, path, version, payload, expected)
      : { table, path, value: sealAs(payload, version), expected };
  }

  #sealed(table: Table, path: string, version: number, payload: Uint8Array, expected: number): Write {
    return { table, path, value: this.#seal(table, path, version, payload), expected };
  }

  #seal(table: Table, path: string, version: number, payload: Uint8Array): Buffer {
    const { barrier, barrierVersion } = this.#keyring;
    const key = barrier.get(barrierVersion);
    if (key === undefined) {
      throw new RecordDamaged(table, path);
    }
    return sealRecord(key, barrierVersion, { cluster: this.#cluster, table, path, version }, payload);
  }

  #pages(table: Table, prefix: string, pageSize: number): AsyncIterable<readonly StoredRecord[]> {
    return pagesOf((options) => this.#store.list(table, options), prefix, pageSize);
  }

  #revisionPages(table: Table, prefix: string, pageSize = PAGE): AsyncIterable<readonly RecordRevision[]> {
    return pagesOf((options) => this.#store.listRevisions(table, options), prefix, pageSize);
  }
}
