import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type LogKeyRecord, LogKeyRecordSchema } from "@bunkms/contract/record";
import { ED25519, formatHandover, formatNote, type NoteKey, noteKey, signNote } from "@bunkms/tlog";
import { privateEd25519, publicEd25519 } from "../crypto/ed25519.ts";
import { wipe } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import type { Plan } from "./plan.ts";
import { RecordDamaged } from "./record.ts";
import type { Change, RecordRef, Records, ReportRecord } from "./records.ts";

const TABLE = "audit-key";
const SEED_BYTES = 32;
/** So many of the newest keys sign: the one before as well, so that whoever trusts it has time to follow the hand-over. */
const SIGNING = 2;

/** A key that signs the audit log's checkpoints, or once did. */
export interface LogKey {
  readonly version: number;
  /** As auditors and witnesses are given it; its name is the log's origin. */
  readonly key: NoteKey;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** The signed hand-over from the key before; empty of the first one. */
  readonly handover: string;
  /** Whether it signs. */
  readonly isActive: boolean;
}

/** A key as the vault holds it. */
export interface HeldLogKey extends LogKey {
  readonly privateKey: KeyObject | undefined;
}

/** What the tree was when a key was handed over. */
export interface TreeHead {
  readonly size: number;
  readonly root: Buffer;
}

/** The name of a node's log, and of its keys. */
export function logOrigin(cluster: Buffer): string {
  return `bkms/${cluster.toString("hex")}/main`;
}

/** The first key of a new vault's log, and the change that writes it. */
export function firstLogKey(cluster: Buffer, now: number): { readonly held: HeldLogKey; readonly change: Change } {
  const record = newKey(1, now);
  return { held: hold(logOrigin(cluster), record), change: change(record, null) };
}

/** The keys of the audit log, the newest last. */
export class LogKeys {
  readonly #records: Records;
  readonly #origin: string;
  #keys: readonly HeldLogKey[] = [];

  /** @param keys Of a new vault, which are not in the store yet. */
  constructor(records: Records, cluster: Buffer, keys: readonly HeldLogKey[] = []) {
    this.#records = records;
    this.#origin = logOrigin(cluster);
    this.#keys = keys;
  }

  get origin(): string {
    return this.#origin;
  }

  /** @throws RecordDamaged, StoreUnavailable */
  async load(report?: ReportRecord): Promise<void> {
    const keys: HeldLogKey[] = [];
    await this.#records.each(TABLE, (record) => {
      report?.(TABLE, record);
      keys.push(hold(this.#origin, fromBinary(LogKeyRecordSchema, record.payload)));
      wipe(record.payload);
    });
    this.#keys = keys;
  }

  /** All keys, the newest last. */
  get all(): readonly LogKey[] {
    return this.#keys;
  }

  /** The signature lines of the keys that sign, over a note's text, the newest first. */
  sign(text: string): readonly string[] {
    const signing = this.#keys.filter(({ privateKey }) => privateKey !== undefined);
    return signing.reverse().map(({ key, privateKey }) => signNote(text, key, privateKey as KeyObject));
  }

  /**
   * A new key, handed over to by the newest one. Those before the newest sign no more.
   * @param head A tree that is on disk.
   */
  async rotate(head: TreeHead, now: number): Promise<Plan<LogKey>> {
    const newest = this.#keys.at(-1) as HeldLogKey;
    const record = newKey(newest.version + 1, now);
    const made = hold(this.#origin, record);
    const checkpoint = { origin: this.#origin, ...head };
    const text = formatHandover({ checkpoint, oldKey: newest.key, newKey: made.key });
    const signatures = [newest, made].map(({ key, privateKey }) => signNote(text, key, privateKey as KeyObject));
    const handover = formatNote(text, signatures);
    record.handover = handover;
    const retired = this.#keys.slice(0, 1 - SIGNING).filter(({ isActive }) => isActive);
    const changes = [change(record, null)];
    for (const held of retired) {
      changes.push(change(withoutSeed(held), await this.#refOf(held)));
    }
    return {
      result: { ...made, handover },
      changes,
      committed: () => {
        const kept = this.#keys.map((held) =>
          retired.includes(held) ? { ...held, isActive: false, privateKey: undefined } : held,
        );
        this.#keys = [...kept, { ...made, handover }];
      },
      discard: () => wipe(...changes.map(({ payload }) => payload as Buffer)),
    };
  }

  async #refOf({ version }: LogKey): Promise<RecordRef> {
    const record = await this.#records.read(TABLE, pathOf(version));
    if (record === undefined) {
      throw new RecordDamaged(TABLE, pathOf(version));
    }
    wipe(record.payload);
    return record.ref;
  }
}

function hold(origin: string, record: LogKeyRecord): HeldLogKey {
  const { version, seed, publicKey, createdAtMs, handover } = record;
  const isActive = seed.length === SEED_BYTES;
  return {
    version,
    key: noteKey(origin, ED25519, Buffer.from(publicKey)),
    createdAt: Number(createdAtMs),
    handover,
    isActive,
    privateKey: isActive ? privateEd25519(seed) : undefined,
  };
}

function newKey(version: number, now: number): LogKeyRecord {
  const seed = randomBytes(SEED_BYTES);
  const publicKey = publicEd25519(privateEd25519(seed));
  return create(LogKeyRecordSchema, { version, seed, publicKey, createdAtMs: BigInt(now) });
}

function withoutSeed({ version, key, createdAt, handover }: LogKey): LogKeyRecord {
  return create(LogKeyRecordSchema, { version, publicKey: key.publicKey, createdAtMs: BigInt(createdAt), handover });
}

/** The record to be written. Its seed is wiped here, and the payload by whoever commits it. */
function change(record: LogKeyRecord, previous: RecordRef | null): Change {
  const payload = Buffer.from(toBinary(LogKeyRecordSchema, record));
  wipe(record.seed);
  return { table: TABLE, path: pathOf(record.version), payload, previous };
}

function pathOf(version: number): string {
  return version.toString().padStart(10, "0");
}
