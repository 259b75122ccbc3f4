import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import {
  type SecretRecord,
  SecretRecordSchema,
  type SecretVersionRecord,
  SecretVersionRecordSchema,
} from "@bunkms/contract/record";
import { equal, wipe } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import { type NamedRecord, NamedRecords, versionPath } from "./named-records.ts";
import { type Plan, unchanged } from "./plan.ts";
import type { Change, RecordRef, Records, ReportRecord } from "./records.ts";

/** A secret's metadata. */
export interface SecretInfo {
  readonly name: string;
  /** The latest version. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** How many versions are kept at most. */
  readonly maxVersions: number;
  /** The first version that is kept. */
  readonly oldestVersion: number;
}

export interface SecretVersionInfo {
  readonly version: number;
  readonly createdAt: number;
  readonly state: string;
}

/** How a value is stored. */
export interface PutOptions {
  /** Only if this is the latest version; 0: only if there is no secret of this name. */
  readonly ifVersion?: number | undefined;
  /** How many versions are kept from now on; 0: as many as before. */
  readonly maxVersions?: number;
}

/** One version of a secret: its number and time stand for the latest's. */
interface ReadSecret extends SecretInfo {
  readonly value: Buffer;
}

interface Reading {
  readonly name: string;
  /** Which versions went since it began. */
  readonly gone: ((version: number) => boolean)[];
}

/** How many versions a new secret keeps. */
const KEPT_VERSIONS = 100;

/** The vault's secrets. Metadata may be cached; values never are. */
export class Secrets {
  readonly #records: Records;
  readonly #secrets: NamedRecords<typeof SecretRecordSchema, SecretRecord>;
  /** Those that are not told to anybody yet. */
  readonly #reads = new Set<Reading>();

  constructor(records: Records, indexKey: KeyObject) {
    this.#records = records;
    this.#secrets = new NamedRecords("secret", SecretRecordSchema, records, indexKey, () => undefined);
  }

  /** Reads the names of all secrets; forgets what was cached. */
  async load(report?: ReportRecord): Promise<void> {
    await this.#secrets.load(report);
  }

  /**
   * Stores a value as the next version, the first if the name is new. Versions beyond those that are kept are destroyed.
   * @param value Taken over, and zeroed when the plan is discarded.
   * @throws BunkmsError `version_mismatch`
   */
  async put(name: string, value: Buffer, now: number, options: PutOptions = {}): Promise<Plan<SecretInfo>> {
    return wipedOnFailure(value, async () => {
      const before = await this.#secrets.find(name);
      const latest = before?.record.latestVersion ?? 0;
      if (options.ifVersion !== undefined && options.ifVersion !== latest) {
        const found = before === undefined ? "there is no secret of this name" : `the latest version is ${latest}`;
        throw new BunkmsError("version_mismatch", `${found}; nothing was stored`);
      }
      return this.#next(name, before, value, now, options.maxVersions);
    });
  }

  /**
   * Brings in a value that was stored elsewhere. One that is there already is no error if it is the same, of the same time.
   * @param value As for `put`.
   * @param createdAt Milliseconds since 1970.
   * @throws BunkmsError `already_exists`
   */
  async import(name: string, value: Buffer, createdAt: number): Promise<Plan<SecretInfo>> {
    return wipedOnFailure(value, async () => {
      const before = await this.#secrets.find(name);
      if (before === undefined) {
        return this.#next(name, before, value, createdAt);
      }
      const { record } = before;
      const first = await this.#records.read("secret-value", versionPath(idOf(record), 1));
      const isSame =
        record.latestVersion === 1 &&
        Number(record.createdAtMs) === createdAt &&
        first !== undefined &&
        equal(first.payload, value);
      wipe(...(first === undefined ? [] : [first.payload]));
      if (!isSame) {
        throw new BunkmsError("already_exists", "a secret of this name exists, with another value or time");
      }
      return { ...unchanged(secretInfo(record)), discard: () => wipe(value) };
    });
  }

  async #next(
    name: string,
    before: NamedRecord<SecretRecord> | undefined,
    value: Buffer,
    now: number,
    maxVersions = 0,
  ): Promise<Plan<SecretInfo>> {
    const kept = maxVersions || before?.record.maxVersions || KEPT_VERSIONS;
    const latestVersion = (before?.record.latestVersion ?? 0) + 1;
    const oldestBefore = before === undefined ? 1 : oldestOf(before.record);
    const oldestVersion = Math.max(oldestBefore, latestVersion - kept + 1);
    const record = create(SecretRecordSchema, {
      name,
      id: before?.record.id ?? randomBytes(16),
      createdAtMs: before?.record.createdAtMs ?? BigInt(now),
      updatedAtMs: BigInt(now),
      latestVersion,
      oldestVersion,
      maxVersions: kept,
    });
    const version = create(SecretVersionRecordSchema, { createdAtMs: BigInt(now), state: "enabled" });
    const path = versionPath(idOf(record), latestVersion);
    const changes: Change[] = [
      this.#secrets.put(record, before?.ref ?? null),
      { table: "secret-version", path, payload: toBinary(SecretVersionRecordSchema, version), previous: null },
      { table: "secret-value", path, payload: value, previous: null },
      ...(await this.#removals(idOf(record), oldestBefore, oldestVersion)),
    ];
    return {
      result: secretInfo(record),
      changes,
      committed: ([ref]) => {
        this.#secrets.written(record, ref);
        this.#gone(name, (version) => version < oldestVersion);
      },
      discard: () => wipe(value),
    };
  }

  /** The changes that destroy the versions from one to before another. */
  async #removals(id: string, from: number, to: number): Promise<readonly Change[]> {
    if (from === to) {
      return [];
    }
    const paths = Array.from({ length: to - from }, (_, i) => versionPath(id, from + i));
    const versions = (await this.#records.readMany("secret-version", paths)).map(
      ({ path, ref }): Change => ({ table: "secret-version", path, payload: null, previous: ref }),
    );
    const values = await this.#records.removals("secret-value", `${id}/`, versionPath(id, to), to - from);
    return [...versions, ...values];
  }

  /** As `read`; the plan holds while what was read was not destroyed. @throws BunkmsError `not_found` */
  async lend(name: string, version = 0): Promise<Plan<ReadSecret>> {
    const reading: Reading = { name, gone: [] };
    this.#reads.add(reading);
    const discard = (): void => {
      this.#reads.delete(reading);
    };
    try {
      const read = await this.read(name, version);
      const holds = (): boolean => !reading.gone.some((isGone) => isGone(read.version));
      return { ...unchanged(read), holds, discard };
    } catch (error) {
      discard();
      throw error;
    }
  }

  /**
   * A version with its value, which the caller zeroes.
   * @param version 0: the latest.
   * @throws BunkmsError `not_found`
   */
  async read(name: string, version = 0): Promise<ReadSecret> {
    const { record, ref } = await this.#get(name);
    const wanted = version || record.latestVersion;
    if (wanted < oldestOf(record) || wanted > record.latestVersion) {
      throw unknownVersion(record);
    }
    const path = versionPath(idOf(record), wanted);
    const storedAtMs = await this.#enabledSince(record, wanted, path);
    const stored = storedAtMs === undefined ? undefined : await this.#records.read("secret-value", path);
    if (stored !== undefined) {
      return { ...secretInfo(record), version: wanted, updatedAt: Number(storedAtMs), value: stored.payload };
    }
    if ((await this.#get(name)).ref.revision === ref.revision) {
      throw new Error(`the value or the record of a secret's version is missing: ${path}`);
    }
    // Deleted, replaced or destroyed in between.
    return this.read(name, version);
  }

  /**
   * When a version was stored; undefined: it is not there. That its value lies in the store does not say that it was not destroyed, for
   * who has an old copy can put that back; these records he cannot.
   * @throws BunkmsError `not_found` when it was destroyed.
   */
  async #enabledSince(record: SecretRecord, version: number, path: string): Promise<bigint | undefined> {
    if (version === record.latestVersion && !record.latestDestroyed) {
      return record.updatedAtMs;
    }
    const found = await this.#readVersion(path);
    if (found?.version.state === "destroyed") {
      throw new BunkmsError("not_found", `version ${version} of the secret was destroyed; ask for another`);
    }
    return found?.version.createdAtMs;
  }

  /** The versions that are kept, from the oldest on. @throws BunkmsError `not_found` */
  async versions(name: string): Promise<readonly SecretVersionInfo[]> {
    const { record } = await this.#get(name);
    const versions: SecretVersionInfo[] = [];
    const ofIt = `${idOf(record)}/`;
    for await (const { path, payload } of this.#records.all("secret-version", ofIt)) {
      versions.push(versionInfo(Number(path.slice(ofIt.length)), fromBinary(SecretVersionRecordSchema, payload)));
    }
    return versions;
  }

  /** Destroys the value of one version, and keeps that it was there. @throws BunkmsError `not_found` */
  async destroyVersion(name: string, version: number): Promise<Plan<SecretVersionInfo>> {
    const { record, ref } = await this.#get(name);
    const path = versionPath(idOf(record), version);
    const found = await this.#readVersion(path);
    if (found === undefined) {
      throw unknownVersion(record);
    }
    const destroyed = create(SecretVersionRecordSchema, { ...found.version, state: "destroyed" });
    const result = versionInfo(version, destroyed);
    if (found.version.state === "destroyed") {
      return unchanged(result);
    }
    const payload = toBinary(SecretVersionRecordSchema, destroyed);
    const latestDestroyed = record.latestDestroyed || version === record.latestVersion;
    const without = create(SecretRecordSchema, { ...record, latestDestroyed });
    return {
      result,
      changes: [
        this.#secrets.put(without, ref),
        { table: "secret-version", path, payload, previous: found.ref },
        ...(await this.#records.removals("secret-value", path)),
      ],
      committed: ([ref]) => {
        this.#secrets.written(without, ref);
        this.#gone(name, (gone) => gone === version);
      },
      discard: () => {},
    };
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
    const committed = (): void => {
      this.#secrets.deleted(name);
      this.#gone(name, () => true);
    };
    return { result: undefined, changes, committed, discard: () => {} };
  }

  /** What is read now and gone is told to nobody. */
  #gone(name: string, isGone: (version: number) => boolean): void {
    for (const reading of this.#reads) {
      if (reading.name === name) {
        reading.gone.push(isGone);
      }
    }
  }

  async #readVersion(
    path: string,
  ): Promise<{ readonly version: SecretVersionRecord; readonly ref: RecordRef } | undefined> {
    const stored = await this.#records.read("secret-version", path);
    return stored && { version: fromBinary(SecretVersionRecordSchema, stored.payload), ref: stored.ref };
  }

  async #get(name: string): Promise<NamedRecord<SecretRecord>> {
    const secret = await this.#secrets.find(name);
    if (secret === undefined) {
      throw new BunkmsError("not_found", "there is no secret of this name");
    }
    return secret;
  }
}

/** A plan takes the value over; where there is none, it is zeroed. */
async function wipedOnFailure(value: Buffer, plan: () => Promise<Plan<SecretInfo>>): Promise<Plan<SecretInfo>> {
  try {
    return await plan();
  } catch (error) {
    wipe(value);
    throw error;
  }
}

function secretInfo(record: SecretRecord): SecretInfo {
  return {
    name: record.name,
    version: record.latestVersion,
    createdAt: Number(record.createdAtMs),
    updatedAt: Number(record.updatedAtMs),
    maxVersions: record.maxVersions || KEPT_VERSIONS,
    oldestVersion: oldestOf(record),
  };
}

function versionInfo(version: number, { createdAtMs, state }: SecretVersionRecord): SecretVersionInfo {
  return { version, createdAt: Number(createdAtMs), state };
}

function oldestOf(record: SecretRecord): number {
  return record.oldestVersion || 1;
}

function unknownVersion(record: SecretRecord): BunkmsError {
  const kept = `${oldestOf(record)} to ${record.latestVersion}`;
  return new BunkmsError("not_found", `the secret has no such version; it has versions ${kept}`);
}

function idOf(record: SecretRecord): string {
  return record.id.toHex();
}
