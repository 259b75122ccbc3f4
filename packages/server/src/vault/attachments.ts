import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type AttachmentRecord, AttachmentRecordSchema, AttachmentRemovalRecordSchema } from "@bunkms/contract/record";
import { sha256Of } from "../crypto/hash.ts";
import { equal } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import type { Aside } from "./asides.ts";
import { type NamedRecord, NamedRecords, versionPath } from "./named-records.ts";
import { type Plan, unchanged } from "./plan.ts";
import { RecordDamaged } from "./record.ts";
import type { Change, OpenedRecord, Records, ReportRecord } from "./records.ts";

/** Bytes of every part but the last: what the server takes as one payload. */
export const PART_LENGTH = 512 * 1024;

/**
 * So many parts at most, 256 MiB in all: an attachment lies in the store and in every backup of it, and finishing one reads
 * all of it within one call. What is larger is split, or compressed, by who sends it.
 */
const MOST_PARTS = 512;

/** So many attachments at most: what stays until somebody removes it must not fill the store by a mistake. */
const MOST_ATTACHMENTS = 1_000;

const REMOVALS = "attachment-removal";

/**
 * So many parts leave the store in one commit, 2 MiB. The store overwrites what it deletes, so all of an attachment's at once
 * would be a commit of 256 MiB, and every other call would wait for it.
 */
const PARTS_REMOVED_AT_ONCE = 4;

/** An attachment's metadata. */
export interface AttachmentInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** 0: it may grow. */
  readonly finishedAt: number;
  /** SHA-256 as 64 hexadecimal digits; empty until it is finished. */
  readonly sha256: string;
}

/** One part, with what it is of. */
interface AttachmentPart {
  readonly data: Buffer;
  readonly info: AttachmentInfo;
}

/**
 * Files that belong to the audit log. They grow by parts, are finished, and never change after that. One that is removed is gone
 * with the commit that says so; its parts, which nothing leads to from then on, follow (`removeParts`).
 */
export class Attachments {
  readonly #records: Records;
  readonly #attachments: NamedRecords<typeof AttachmentRecordSchema, AttachmentRecord>;
  /** So many removals were committed: what was read before one may be of what it took away. */
  #removals = 0;
  /** Path of the removal's record that did not open last; those after it go on. */
  #damagedRemoval: string | undefined;

  constructor(records: Records, indexKey: KeyObject) {
    this.#records = records;
    this.#attachments = new NamedRecords("attachment", AttachmentRecordSchema, records, indexKey, () => undefined);
  }

  /** Reads the names of all; forgets what was cached. */
  async load(report?: ReportRecord): Promise<void> {
    await this.#attachments.load(report);
  }

  /**
   * Adds a part. One that is there already is no error if it is the same.
   * @param part From 0 on.
   * @throws BunkmsError `invalid_request`, `already_exists`, `payload_too_large`
   */
  async addPart(name: string, part: number, data: Uint8Array, now: number): Promise<Plan<AttachmentInfo>> {
    const before = await this.#attachments.find(name);
    const size = Number(before?.record.size ?? 0n);
    const parts = before === undefined ? 0 : partsOf(before.record);
    if (before !== undefined && part < parts) {
      return this.#samePart(before.record, part, data);
    }
    if (before !== undefined && before.record.finishedAtMs !== 0n) {
      throw new BunkmsError("already_exists", "the attachment of this name is finished");
    }
    if (part > parts) {
      throw new BunkmsError("invalid_request", `part: the next one is ${parts}`);
    }
    if (size % PART_LENGTH !== 0) {
      throw new BunkmsError(
        "already_exists",
        `part ${parts - 1} is shorter than ${PART_LENGTH} bytes, so it is the last`,
      );
    }
    if (part >= MOST_PARTS || (before === undefined && this.#count() >= MOST_ATTACHMENTS)) {
      throw new BunkmsError(
        "payload_too_large",
        `an attachment has at most ${MOST_PARTS} parts, and there are at most ${MOST_ATTACHMENTS}`,
      );
    }
    const record = create(AttachmentRecordSchema, {
      name,
      id: before?.record.id ?? randomBytes(16),
      size: BigInt(size + data.length),
      createdAtMs: before?.record.createdAtMs ?? BigInt(now),
    });
    return this.#plan(record, before, [
      { table: "attachment-part", path: partPath(record, part), payload: data, previous: null },
    ]);
  }

  /**
   * Ends an attachment. Again with the same it is no error.
   * @param sha256 64 hexadecimal digits.
   * @throws BunkmsError `not_found`; `invalid_request` when it is another's size or digest.
   */
  async finish(name: string, size: number, sha256: string, now: number): Promise<Plan<AttachmentInfo>> {
    const before = await this.#get(name);
    const { record } = before;
    const digest = record.finishedAtMs === 0n ? await sha256Of(this.#parts(record)) : Buffer.from(record.digest);
    if (Number(record.size) !== size || !digest.equals(Buffer.from(sha256, "hex"))) {
      throw new BunkmsError("invalid_request", "the attachment's parts are not of this size and SHA-256");
    }
    if (record.finishedAtMs !== 0n) {
      return unchanged(attachmentInfo(record));
    }
    return this.#plan(create(AttachmentRecordSchema, { ...record, finishedAtMs: BigInt(now), digest }), before, []);
  }

  /**
   * Removes an attachment, finished or not. Its name is free at once: another one of it has another id, and so other parts.
   * @throws BunkmsError `not_found`
   */
  async remove(name: string): Promise<Plan<AttachmentInfo>> {
    const { record, ref } = await this.#get(name);
    const removal = create(AttachmentRemovalRecordSchema, { partsLeft: partsOf(record) });
    return {
      result: attachmentInfo(record),
      changes: [
        this.#attachments.delete(name, ref),
        {
          table: REMOVALS,
          path: idOf(record),
          payload: toBinary(AttachmentRemovalRecordSchema, removal),
          previous: null,
        },
      ],
      committed: () => {
        this.#attachments.deleted(name);
        this.#removals += 1;
      },
      discard: () => {},
    };
  }

  /**
   * Removes some parts of an attachment that was removed, the last ones first, and with the first ones what says that there
   * are any: whenever it is interrupted, it goes on from there.
   * @returns Whether there may be more.
   * @throws RecordDamaged, StoreUnavailable
   */
  async removeParts(): Promise<boolean> {
    const removal = await this.#nextRemoval();
    if (removal === undefined) {
      return false;
    }
    const { path: id, payload } = removal;
    const { partsLeft: before } = fromBinary(AttachmentRemovalRecordSchema, payload);
    const partsLeft = Math.max(0, before - PARTS_REMOVED_AT_ONCE);
    const next = create(AttachmentRemovalRecordSchema, { partsLeft });
    await this.#records.keep([
      ...Array.from(
        { length: before - partsLeft },
        (_, i): Aside => ({ table: "attachment-part", path: versionPath(id, partsLeft + i), payload: null }),
      ),
      { table: REMOVALS, path: id, payload: partsLeft === 0 ? null : toBinary(AttachmentRemovalRecordSchema, next) },
    ]);
    return true;
  }

  /** The next removal that is under way. A damaged one is reported and passed by, again after the last one. */
  async #nextRemoval(): Promise<OpenedRecord | undefined> {
    const after = this.#damagedRemoval;
    try {
      const [removal] = await this.#records.list(REMOVALS, { limit: 1, ...(after !== undefined && { after }) });
      if (removal === undefined) {
        this.#damagedRemoval = undefined;
      }
      return removal;
    } catch (error) {
      if (error instanceof RecordDamaged) {
        this.#damagedRemoval = error.path;
      }
      throw error;
    }
  }

  /** A page in the order of names. */
  async list(prefix: string, after: string, limit: number): Promise<readonly AttachmentInfo[]> {
    return (await this.#attachments.list(prefix, after, limit)).map(({ record }) => attachmentInfo(record));
  }

  /** One part; the plan holds while nothing was removed meanwhile. @throws BunkmsError `not_found` */
  async part(name: string, part: number): Promise<Plan<AttachmentPart>> {
    const removals = this.#removals;
    const { record } = await this.#get(name);
    const stored = await this.#records.read("attachment-part", partPath(record, part));
    if (stored === undefined) {
      throw new BunkmsError("not_found", "the attachment has no such part");
    }
    const read = unchanged({ data: stored.payload, info: attachmentInfo(record) });
    return { ...read, holds: () => removals === this.#removals };
  }

  async #samePart(record: AttachmentRecord, part: number, data: Uint8Array): Promise<Plan<AttachmentInfo>> {
    const stored = await this.#records.read("attachment-part", partPath(record, part));
    if (stored === undefined || !equal(stored.payload, data)) {
      throw new BunkmsError("already_exists", "the attachment of this name has another part there");
    }
    return unchanged(attachmentInfo(record));
  }

  async *#parts(record: AttachmentRecord): AsyncGenerator<Buffer> {
    for (let part = 0; part < partsOf(record); part++) {
      const stored = await this.#records.read("attachment-part", partPath(record, part));
      if (stored === undefined) {
        throw new Error(`a part of an attachment is missing: ${partPath(record, part)}`);
      }
      yield stored.payload;
    }
  }

  #count(): number {
    return this.#attachments.page("", "", MOST_ATTACHMENTS).length;
  }

  async #get(name: string): Promise<NamedRecord<AttachmentRecord>> {
    const attachment = await this.#attachments.find(name);
    if (attachment === undefined) {
      throw new BunkmsError("not_found", "there is no attachment of this name");
    }
    return attachment;
  }

  #plan(
    record: AttachmentRecord,
    before: NamedRecord<AttachmentRecord> | undefined,
    more: readonly Change[],
  ): Plan<AttachmentInfo> {
    return {
      result: attachmentInfo(record),
      changes: [this.#attachments.put(record, before?.ref ?? null), ...more],
      committed: ([ref]) => this.#attachments.written(record, ref),
      discard: () => {},
    };
  }
}

function attachmentInfo({ name, size, createdAtMs, finishedAtMs, digest }: AttachmentRecord): AttachmentInfo {
  return {
    name,
    size: Number(size),
    createdAt: Number(createdAtMs),
    finishedAt: Number(finishedAtMs),
    sha256: digest.toHex(),
  };
}

function partsOf({ size }: AttachmentRecord): number {
  return Math.ceil(Number(size) / PART_LENGTH);
}

function idOf({ id }: AttachmentRecord): string {
  return id.toHex();
}

function partPath(record: AttachmentRecord, part: number): string {
  return versionPath(idOf(record), part);
}
