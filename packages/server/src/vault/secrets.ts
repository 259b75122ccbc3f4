import type { KeyObject } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type SecretRecord, SecretRecordSchema, SecretVersionRecordSchema } from "@bunkms/contract/record";
import { equal, wipe } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import { type NamedRecord, NamedRecords, versionPath } from "./named-records.ts";
import { type Plan, unchanged } from "./plan.ts";
import type { Change, Records, ReportRecord } from "./records.ts";

/** A secret's metadata. */
export interface SecretInfo {
  readonly name: string;
  /** The latest version. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface ReadSecret extends SecretInfo {
  readonly value: Buffer;
}

/** The vault's secrets. Metadata may be cached; values never are. */
export class Secrets {
  readonly #records: Records;
  readonly #secrets: NamedRecords<typeof SecretRecordSchema, SecretRecord>;
  /** Those that are not told to anybody yet. */
  readonly #reads = new Set<{ readonly name: string; isOutdated: boolean }>();

  constructor(records: Records, indexKey: KeyObject) {
    this.#records = records;
    this.#secrets = new NamedRecords("secret", SecretRecordSchema, records, indexKey, () => undefined);
  }

  /** Reads the names of all secrets; forgets what was cached. */
  async load(report?: ReportRecord): Promise<void> {
    await this.#secrets.load(report);
  }

  /**
   * Stores a value as the next version, the first if the name is new.
   * @param value Taken over, and zeroed when the plan is discarded.
   */
  async put(name: string, value: Buffer, now: number): Promise<Plan<SecretInfo>> {
    return this.#next(name, await this.#secrets.find(name), value, now);
  }

  /**
   * Brings in a value that was stored elsewhere. One that is there already is no error if it is the same, of the same time.
   * @param value As for `put`.
   * @param createdAt Milliseconds since 1970.
   * @throws BunkmsError `already_exists`
   */
  async import(name: string, value: Buffer, createdAt: number): Promise<Plan<SecretInfo>> {
    const before = await this.#secrets.find(name);
    if (before === undefined) {
      return this.#next(name, before, value, createdAt);
    }
    const there = await this.read(name);
    const isSame = there.version === 1 && there.createdAt === createdAt && equal(there.value, value);
    wipe(there.value, value);
    if (!isSame) {
      throw new BunkmsError("already_exists", "a secret of this name exists, with another value or time");
    }
    return unchanged(secretInfo(before.record));
  }

  #next(name: string, before: NamedRecord<SecretRecord> | undefined, value: Buffer, now: number): Plan<SecretInfo> {
    const record = create(SecretRecordSchema, {
      name,
      id: before?.record.id ?? randomBytes(16),
      createdAtMs: before?.record.createdAtMs ?? BigInt(now),
      updatedAtMs: BigInt(now),
      latestVersion: (before?.record.latestVersion ?? 0) + 1,
    });
    const version = create(SecretVersionRecordSchema, { createdAtMs: BigInt(now), state: "enabled" });
    const path = versionPath(idOf(record), record.latestVersion);
    const changes: Change[] = [
      this.#secrets.put(record, before?.ref ?? null),
      { table: "secret-version", path, payload: toBinary(SecretVersionRecordSchema, version), previous: null },
      { table: "secret-value", path, payload: value, previous: null },
    ];
    return {
      result: secretInfo(record),
      changes,
      committed: ([ref]) => this.#secrets.written(record, ref),
      discard: () => wipe(value),
    };
  }

  /** As `read`; the plan holds while the secret was not deleted. @throws BunkmsError `not_found` */
  async lend(name: string): Promise<Plan<ReadSecret>> {
    const reading = { name, isOutdated: false };
    this.#reads.add(reading);
    const discard = (): void => {
      this.#reads.delete(reading);
    };
    try {
      return { ...unchanged(await this.read(name)), holds: () => !reading.isOutdated, discard };
    } catch (error) {
      discard();
      throw error;
    }
  }

  /** The latest version with its value, which the caller zeroes. @throws BunkmsError `not_found` */
  async read(name: string): Promise<ReadSecret> {
    const { record } = await this.#get(name);
    const path = versionPath(idOf(record), record.latestVersion);
    const stored = await this.#records.read("secret-value", path);
    if (stored !== undefined) {
      return { ...secretInfo(record), value: stored.payload };
    }
    if ((await this.#get(name)).record === record) {
      throw new Error(`the value of a secret is missing: ${path}`);
    }
    // Deleted or replaced in between.
    return this.read(name);
  }

  /** A page of secrets' metadata in the order of their names. */
  async list(prefix: string, after: string, limit: number): Promise<readonly SecretInfo[]> {
    return (await this.#secrets.list(prefix, after, limit)).map(({ record }) => secretInfo(record));
  }

  /** Destroys a secret with all its versions. @throws BunkmsError `not_found` */
  async delete(name: string): Promise<Plan<undefined>> {
    const { record, ref } = await this.#get(name);
    const changes: Change[] = [this.#secrets.delete(name, ref)];
    const ofIt = `${idOf(record)}/`;
    for await (const { path, ref } of this.#records.all("secret-version", ofIt)) {
      changes.push({ table: "secret-version", path, payload: null, previous: ref });
    }
    changes.push(...(await this.#records.removals("secret-value", ofIt)));
    return { result: undefined, changes, committed: () => this.#deleted(name), discard: () => {} };
  }

  #deleted(name: string): void {
    this.#secrets.deleted(name);
    for (const reading of this.#reads) {
      reading.isOutdated ||= reading.name === name;
    }
  }

  async #get(name: string): Promise<NamedRecord<SecretRecord>> {
    const secret = await this.#secrets.find(name);
    if (secret === undefined) {
      throw new BunkmsError("not_found", "there is no secret of this name");
    }
    return secret;
  }
}

function secretInfo(record: SecretRecord): SecretInfo {
  return {
    name: record.name,
    version: record.latestVersion,
    createdAt: Number(record.createdAtMs),
    updatedAt: Number(record.updatedAtMs),
  };
}

function idOf(record: SecretRecord): string {
  return record.id.toHex();
}
