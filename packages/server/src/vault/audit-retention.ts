import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { AuditHoldRecordSchema, type AuditRetentionRecord, AuditRetentionRecordSchema } from "@bunkms/contract/record";
import type { Plan } from "./plan.ts";
import type { RecordRef, Records, ReportRecord } from "./records.ts";

const TABLE = "audit-retention";
const PATH = "main";
/** So many holds at most, so that their one record stays small. */
const MOST_HOLDS = 1_000;

/** A legal hold: entries that must not be pruned, whoever asks; as long as there is one, attachments stay as well. */
export interface AuditHold {
  readonly name: string;
  readonly reason: string;
  /** Index of its first entry. */
  readonly from: number;
  /** Index after its last one; infinity: all that are to come, too. */
  readonly until: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** How much of the log lies where. */
export interface Retention {
  /** Entries before this index lie in the archive. */
  readonly archived: number;
  /** Entries before this index lie in the archive alone. */
  readonly pruned: number;
  /** Bytes of the entries that were pruned. */
  readonly prunedBytes: number;
  /** In the order of their names. */
  readonly holds: readonly AuditHold[];
}

const NOTHING: Retention = { archived: 0, pruned: 0, prunedBytes: 0, holds: [] };

/** What of the audit log was archived and pruned, and what must not be. */
export class AuditRetention {
  readonly #records: Records;
  #current: Retention = NOTHING;
  #ref: RecordRef | null = null;

  constructor(records: Records) {
    this.#records = records;
  }

  get current(): Retention {
    return this.#current;
  }

  /** @throws RecordDamaged, StoreUnavailable */
  async load(report?: ReportRecord): Promise<void> {
    this.#current = NOTHING;
    this.#ref = null;
    await this.#records.each(TABLE, (record) => {
      report?.(TABLE, record);
      this.#current = decode(fromBinary(AuditRetentionRecordSchema, record.payload));
      this.#ref = record.ref;
    });
  }

  /**
   * Entries from where the archive ended to before this index were written to it. The plan holds as long as it ends there.
   */
  archive(first: number, archived: number): Plan<Retention> {
    return { ...this.#change({ ...this.#current, archived }), holds: () => this.#current.archived === first };
  }

  /**
   * Entries from the first one in the store to before this index are to lie in the archive alone. The plan holds as long as
   * that one is the first.
   * @param bytes Of the entries that are pruned by this.
   * @throws BunkmsError `wrong_audit_range` when they are not archived; `audit_hold` when one of them must not be.
   */
  prune(first: number, pruned: number, bytes: number): Plan<Retention> {
    const { archived, prunedBytes, holds } = this.#current;
    if (pruned > archived) {
      throw new BunkmsError("wrong_audit_range", `only entries before ${archived} are archived`);
    }
    const hold = holds.find(({ from, until }) => from < pruned && this.#current.pruned < until);
    if (hold !== undefined) {
      throw new BunkmsError("audit_hold", `the legal hold ${hold.name} keeps entries from ${hold.from} on`);
    }
    const plan = this.#change({ ...this.#current, pruned, prunedBytes: prunedBytes + bytes });
    return { ...plan, holds: () => this.#current.pruned === first };
  }

  /**
   * Sets a hold, or changes the one of this name, so that it keeps more: whoever may set holds need not be one who may
   * release them.
   * @throws BunkmsError `wrong_audit_range`, `payload_too_large`; `audit_hold` when the one of this name keeps entries that the
   * new one would not.
   */
  setHold(hold: AuditHold): Plan<Retention> {
    const { pruned, holds } = this.#current;
    if (hold.until <= hold.from) {
      throw new BunkmsError("wrong_audit_range", "the hold ends before it begins");
    }
    if (hold.from < pruned) {
      throw new BunkmsError("wrong_audit_range", `entries before ${pruned} were pruned already; the archive has them`);
    }
    const before = holds.find(({ name }) => name === hold.name);
    if (before !== undefined && (before.from < hold.from || hold.until < before.until)) {
      throw new BunkmsError(
        "audit_hold",
        "the hold of this name keeps entries that this one would not; release it first",
      );
    }
    const others = holds.filter((other) => other !== before);
    if (others.length >= MOST_HOLDS) {
      throw new BunkmsError("payload_too_large", `there are ${MOST_HOLDS} holds already`);
    }
    const sorted = [...others, hold].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#change({ ...this.#current, holds: sorted });
  }

  /** @throws BunkmsError `not_found` */
  releaseHold(name: string): Plan<Retention> {
    const holds = this.#current.holds.filter((hold) => hold.name !== name);
    if (holds.length === this.#current.holds.length) {
      throw new BunkmsError("not_found", "there is no hold of this name");
    }
    return this.#change({ ...this.#current, holds });
  }

  /**
   * A plan that takes evidence away which no range of entries tells the place of: it holds only while there is no hold at all.
   * @throws BunkmsError `audit_hold`
   */
  unlessHeld<T>(plan: Plan<T>): Plan<T> {
    const [hold] = this.#current.holds;
    if (hold !== undefined) {
      throw new BunkmsError(
        "audit_hold",
        `the legal hold ${hold.name} keeps the log's attachments, as every hold does`,
      );
    }
    return { ...plan, holds: () => this.#current.holds.length === 0 && (plan.holds?.() ?? true) };
  }

  /** Of two changes at once the second is planned anew. */
  #change(result: Retention): Plan<Retention> {
    const payload = toBinary(AuditRetentionRecordSchema, encode(result));
    return {
      result,
      changes: [{ table: TABLE, path: PATH, payload, previous: this.#ref }],
      committed: ([ref]) => {
        this.#current = result;
        this.#ref = ref as RecordRef;
      },
      discard: () => {},
    };
  }
}

function decode({ archived, pruned, prunedBytes, holds }: AuditRetentionRecord): Retention {
  return {
    archived: Number(archived),
    pruned: Number(pruned),
    prunedBytes: Number(prunedBytes),
    holds: holds.map(({ name, reason, from, until, createdAtMs }) => ({
      name,
      reason,
      from: Number(from),
      until: until === 0n ? Number.POSITIVE_INFINITY : Number(until),
      createdAt: Number(createdAtMs),
    })),
  };
}

function encode({ archived, pruned, prunedBytes, holds }: Retention): AuditRetentionRecord {
  return create(AuditRetentionRecordSchema, {
    archived: BigInt(archived),
    pruned: BigInt(pruned),
    prunedBytes: BigInt(prunedBytes),
    holds: holds.map(({ name, reason, from, until, createdAt }) =>
      create(AuditHoldRecordSchema, {
        name,
        reason,
        from: BigInt(from),
        until: Number.isFinite(until) ? BigInt(until) : 0n,
        createdAtMs: BigInt(createdAt),
      }),
    ),
  });
}
