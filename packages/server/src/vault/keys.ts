import type { KeyObject } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type KeyRecord, KeyRecordSchema, KeyVersionRecordSchema } from "@bunkms/contract/record";
import { wipe } from "../crypto/kdf.ts";
import type { CiphertextHeader, GeneratedKey, OpenedVersion } from "../crypto/key-type.ts";
import { findKeyType, keyTypeNames } from "../crypto/key-types.ts";
import { randomBytes } from "../crypto/random.ts";
import { ImportKeys } from "./import-keys.ts";
import { fitsFilter, type KeyFilter } from "./key-filter.ts";
import {
  type KeyInfo,
  type KeySummary,
  type KeyVersionInfo,
  keyId,
  keyInfo,
  keySummary,
  keyVersionInfo,
} from "./key-info.ts";
import { type KeyState, type LifeStep, nextState, refuseDestroyed, requireEnabled } from "./key-life.ts";
import { checkKeyOptions, type KeyOptions } from "./key-options.ts";
import { isDestroyedSelf, placeVersions, type RestoredVersion } from "./key-restore.ts";
import { applySettings, type KeySettings } from "./key-settings.ts";
import { KeyVersions, type StoredVersion, withState } from "./key-versions.ts";
import { type NamedRecord, NamedRecords, versionPath } from "./named-records.ts";
import type { Plan } from "./plan.ts";
import type { Change, Records, ReportRecord } from "./records.ts";

/** A key with all its versions in ascending order. */
export interface KeyWithVersions {
  readonly key: KeyInfo;
  readonly versions: readonly KeyVersionInfo[];
}

/** A key as it is in the store. */
export interface StoredKey {
  readonly record: KeyRecord;
  /** In ascending order. */
  readonly versions: readonly StoredVersion[];
}

/** What a version is opened for: to make something new, or to open or check what it made. */
export type Direction = "make" | "open";

const DAY_MS = 86_400_000;

/** The vault's keys: what they are, and what happens to them. */
export class Keys {
  readonly #keys: NamedRecords<typeof KeyRecordSchema, KeyRecord, KeySummary>;
  readonly #versions: KeyVersions;
  readonly #imports: ImportKeys;

  constructor(records: Records, indexKey: KeyObject) {
    this.#imports = new ImportKeys(records);
    this.#keys = new NamedRecords("key", KeyRecordSchema, records, indexKey, keySummary);
    this.#versions = new KeyVersions(records);
  }

  /** Reads the names of all keys; forgets what was cached. */
  async load(report?: ReportRecord): Promise<void> {
    await this.#keys.load(report);
    this.#versions.forget();
  }

  /** @throws BunkmsError `unsupported_key_type`, `invalid_request`, `already_exists` */
  async create(name: string, options: KeyOptions, settings: KeySettings, now: number): Promise<Plan<KeyWithVersions>> {
    const type = findKeyType(options.typeName);
    if (type === undefined) {
      throw new BunkmsError("unsupported_key_type", `unknown key type; known are ${keyTypeNames().join(", ")}`);
    }
    const purpose = checkKeyOptions(type, options);
    if ((await this.#keys.find(name)) !== undefined) {
      throw new BunkmsError("already_exists", "a key of this name exists, or did");
    }
    const record = create(KeyRecordSchema, {
      name,
      id: randomBytes(16),
      type: type.name,
      purpose,
      state: options.imported ? "pending_import" : "enabled",
      derived: options.derived,
      deterministic: options.deterministic,
      exportable: options.exportable,
      imported: options.imported,
      createdAtMs: BigInt(now),
    });
    applySettings(record, settings);
    return options.imported
      ? this.#plan(record, null, [], [])
      : this.#planVersion(record, null, [], await type.generate(), now);
  }

  /** Adds a version. @throws BunkmsError `not_found`, `wrong_key_state`, `invalid_request` for an imported key. */
  async rotate(name: string, now: number): Promise<Plan<KeyWithVersions>> {
    const before = await this.#get(name);
    const key = keyInfo(before.record);
    requireEnabled(key.state, "the key");
    if (key.imported) {
      throw new BunkmsError("invalid_request", "an imported key gets its next version by import");
    }
    return this.#rotation(before, now);
  }

  /** The key's own rotation, if it is due. */
  async rotateDue(name: string, now: number): Promise<Plan<KeyWithVersions> | undefined> {
    const before = await this.#get(name);
    const { nextRotationAt } = keyInfo(before.record);
    return nextRotationAt !== 0 && nextRotationAt <= now ? this.#rotation(before, now) : undefined;
  }

  /** The rotation of a key whose version must not be used much longer, if it is still its latest and can be rotated. */
  async rotateSpent(name: string, version: number, now: number): Promise<Plan<KeyWithVersions> | undefined> {
    const before = await this.#get(name);
    const { state, imported, latestVersion } = keyInfo(before.record);
    const rotates = state === "enabled" && !imported && latestVersion === version;
    return rotates ? this.#rotation(before, now) : undefined;
  }

  /**
   * Brings in the next version of a key that is made for imports.
   * @param generated Taken over, and zeroed when the plan is discarded.
   * @throws BunkmsError `not_found`, `wrong_key_state`, `invalid_request`
   */
  async importVersion(name: string, generated: GeneratedKey, now: number): Promise<Plan<KeyWithVersions>> {
    const before = await this.#get(name);
    if (!before.record.imported) {
      throw new BunkmsError("invalid_request", "the key was not made for imports");
    }
    const state = nextState("import", before.record.state as KeyState, "the key");
    const versions = await this.#versions.list(keyId(before.record));
    return this.#planVersion({ ...before.record, state }, before, versions, generated, now);
  }

  /** Changes settings. @throws BunkmsError `not_found`, `wrong_key_state`, `invalid_request` */
  async update(name: string, settings: KeySettings): Promise<Plan<KeyWithVersions>> {
    const before = await this.#get(name);
    refuseDestroyed(before.record.state as KeyState, "the key");
    const record = create(KeyRecordSchema, { ...before.record, tags: { ...before.record.tags } });
    applySettings(record, settings);
    return this.#plan(record, before, await this.#versions.list(keyId(record)), []);
  }

  /**
   * Moves a key to another state.
   * @param windowDays For `schedule_deletion`: days until it is destroyed.
   * @throws BunkmsError `not_found`, `wrong_key_state`
   */
  async step(name: string, step: LifeStep, now: number, windowDays = 0): Promise<Plan<KeyWithVersions>> {
    const before = await this.#get(name);
    let state = nextState(step, before.record.state as KeyState, "the key");
    if (state === "disabled" && before.record.latestVersion === 0) {
      // A key without material was waiting before, and does so again.
      state = "pending_import";
    }
    const deletionAtMs = state === "pending_deletion" ? BigInt(now + windowDays * DAY_MS) : 0n;
    const record = create(KeyRecordSchema, { ...before.record, state, deletionAtMs });
    return this.#plan(record, before, await this.#versions.list(keyId(record)), []);
  }

  /**
   * Moves one version to another state.
   * @throws BunkmsError `not_found`, `unknown_version`, `wrong_key_state`, also for destroying the latest version.
   */
  async stepVersion(
    name: string,
    version: number,
    step: LifeStep,
    now: number,
    windowDays = 0,
  ): Promise<Plan<KeyWithVersions>> {
    const before = await this.#get(name);
    refuseDestroyed(before.record.state as KeyState, "the key");
    const versions = await this.#versions.list(keyId(before.record));
    const stored = versions.find(({ info }) => info.version === version);
    if (stored === undefined) {
      throw new BunkmsError("unknown_version");
    }
    const state = nextState(step, stored.info.state, `version ${version}`);
    if (state === "pending_deletion" && version === before.record.latestVersion) {
      throw new BunkmsError("wrong_key_state", "the latest version cannot be destroyed alone: rotate the key first");
    }
    const deletionAtMs = state === "pending_deletion" ? BigInt(now + windowDays * DAY_MS) : 0n;
    const after = withState(stored, state, deletionAtMs);
    return this.#planVersions(before, versions, [after], []);
  }

  /** A key with its versions as they are in the store. @throws BunkmsError `not_found` */
  async stored(name: string): Promise<StoredKey> {
    const { record } = await this.#get(name);
    return { record, versions: await this.#versions.list(keyId(record)) };
  }

  /**
   * Brings back a key that was backed up, in the place of none or of its own destroyed self.
   * @param record Its name is that under which it comes back.
   * @param versions From version 1 on. Their material is taken over, and zeroed when the plan is discarded.
   * @throws BunkmsError `already_exists`
   */
  async restore(record: KeyRecord, versions: readonly RestoredVersion[]): Promise<Plan<KeyWithVersions>> {
    const id = keyId(record);
    const before = await this.#keys.find(record.name);
    if (before === undefined ? await this.#hasId(id) : !isDestroyedSelf(before.record, record)) {
      throw new BunkmsError("already_exists", "there is a key of this name, or one with the id of the backup's key");
    }
    const known = before === undefined ? [] : await this.#versions.list(id);
    const placed = placeVersions(id, versions, known);
    // Versions that are newer than the backup stay destroyed: their numbers are not given to others.
    const all = [...placed, ...known.slice(placed.length)];
    const changes = placed.flatMap(({ path, record: version, ref, material }): Change[] => [
      { table: "key-version", path, payload: toBinary(KeyVersionRecordSchema, version), previous: ref },
      ...(material ? [{ table: "key-material", path, payload: material, previous: null } as const] : []),
    ]);
    const restored = create(KeyRecordSchema, { ...record, latestVersion: all.length });
    const plan = this.#plan(restored, before ?? null, all, changes);
    return { ...plan, discard: () => wipe(...versions.flatMap(({ material }) => material ?? [])) };
  }

  /** Names of keys with something due, at most so many. */
  due(now: number, limit: number): readonly string[] {
    return this.#keys.page("", "", limit, ({ dueAt }) => dueAt <= now);
  }

  /** What is due for a key: its own destruction, or that of versions. undefined: nothing. */
  async destroyDue(name: string, now: number): Promise<Plan<KeyWithVersions> | undefined> {
    const before = await this.#get(name);
    const all = isDue(before.record.state, before.record.deletionAtMs, now);
    const versions = await this.#versions.list(keyId(before.record));
    const destroyed = versions.filter(
      ({ info, record }) => (all && info.state !== "destroyed") || isDue(info.state, record.deletionAtMs, now),
    );
    if (!all && destroyed.length === 0) {
      return undefined;
    }
    const removed: Change[] = [];
    for (const { path } of destroyed) {
      removed.push(await this.#versions.removal(path));
    }
    const after = destroyed.map((stored) => withState(stored, "destroyed", 0n));
    const key = all
      ? { ...before, record: create(KeyRecordSchema, { ...before.record, state: "destroyed", deletionAtMs: 0n }) }
      : before;
    if (all) {
      removed.push(...(await this.#imports.removal(keyId(before.record))));
    }
    return this.#planVersions(key, versions, after, removed);
  }

  /** @throws BunkmsError `not_found` */
  async get(name: string): Promise<KeyInfo> {
    return infoOf((await this.#get(name)).record);
  }

  /**
   * Whether this is what is known of the key at this moment. Each change of a key, also of one of its versions, writes
   * its record anew.
   */
  isCurrent(key: KeyInfo): boolean {
    const record = this.#keys.cached(key.name);
    return record !== undefined && infoOf(record) === key;
  }

  /** All versions of a key in ascending order. */
  async versions(key: KeyInfo): Promise<readonly KeyVersionInfo[]> {
    return (await this.#versions.list(key.id)).map(({ info }) => info);
  }

  /** A page of keys in the order of their names. */
  async list(filter: KeyFilter, after: string, limit: number): Promise<readonly KeyInfo[]> {
    const names = this.#keys.page(filter.prefix, after, limit, fitsFilter(filter));
    return Promise.all(names.map((name) => this.get(name)));
  }

  /**
   * The number of the version that a request is about, once it may be used so.
   * @param version 0: the latest.
   * @throws BunkmsError `unknown_version`, `wrong_key_state`
   */
  async usableVersion(key: KeyInfo, version: number, direction: Direction): Promise<number> {
    requireEnabled(key.state, "the key");
    const number = version || key.latestVersion;
    if (number < 1 || number > key.latestVersion) {
      throw new BunkmsError("unknown_version");
    }
    const [oldest, bound] =
      direction === "make"
        ? [Math.max(key.minEncryptionVersion, key.minDecryptionVersion), "min_encryption_version"]
        : [key.minDecryptionVersion, "min_decryption_version"];
    if (number < oldest) {
      throw new BunkmsError("wrong_key_state", `version ${number} is older than the key's ${bound}`);
    }
    requireEnabled((await this.#versions.info(key, number)).state, `version ${number}`);
    return number;
  }

  /** Opens a usable version's secret or private key. */
  async open(key: KeyInfo, version: number): Promise<OpenedVersion> {
    return this.#versions.open(key, version);
  }

  /** A version's stored material, which the caller zeroes. */
  async material(key: KeyInfo, version: number): Promise<Buffer> {
    return this.#versions.material(versionPath(key.id, version));
  }

  /** A usable version's public key. */
  async publicKey(key: KeyInfo, version: number): Promise<KeyObject> {
    return this.#versions.publicKey(key, version);
  }

  async #hasId(id: string): Promise<boolean> {
    return this.#keys.some((record) => keyId(record) === id);
  }

  async #get(name: string): Promise<NamedRecord<KeyRecord>> {
    const key = await this.#keys.find(name);
    if (key === undefined) {
      throw new BunkmsError("not_found", "there is no key of this name or alias");
    }
    return key;
  }

  async #rotation(before: NamedRecord<KeyRecord>, now: number): Promise<Plan<KeyWithVersions>> {
    const { id, type } = keyInfo(before.record);
    return this.#planVersion(before.record, before, await this.#versions.list(id), await type.generate(), now);
  }

  /** The changes that bring in the next version of a key. Takes over the generated material and zeroes it. */
  #planVersion(
    before: KeyRecord,
    previous: NamedRecord<KeyRecord> | null,
    versions: readonly StoredVersion[],
    generated: GeneratedKey,
    now: number,
  ): Plan<KeyWithVersions> {
    const record = create(KeyRecordSchema, {
      ...before,
      latestVersion: before.latestVersion + 1,
      rotatedAtMs: BigInt(now),
    });
    const path = versionPath(keyId(record), record.latestVersion);
    const version = create(KeyVersionRecordSchema, {
      createdAtMs: BigInt(now),
      state: "enabled",
      publicKey: generated.publicKey,
    });
    const plan = this.#plan(record, previous, versions, [
      { table: "key-version", path, payload: toBinary(KeyVersionRecordSchema, version), previous: null },
      { table: "key-material", path, payload: generated.material, previous: null },
    ]);
    const { key, versions: others } = plan.result;
    return {
      ...plan,
      result: { key, versions: [...others, keyVersionInfo(record.latestVersion, version)] },
      discard: () => wipe(generated.material),
    };
  }

  /** The changes that give some versions another record, and the key its earliest destruction of a version. */
  #planVersions(
    before: NamedRecord<KeyRecord>,
    versions: readonly StoredVersion[],
    after: readonly StoredVersion[],
    more: readonly Change[],
  ): Plan<KeyWithVersions> {
    const all = versions.map((stored) => after.find(({ path }) => path === stored.path) ?? stored);
    const deletions = all.map(({ info }) => info.deletionAt).filter((time) => time > 0);
    const record = create(KeyRecordSchema, {
      ...before.record,
      versionDeletionAtMs: deletions.length === 0 ? 0n : BigInt(Math.min(...deletions)),
    });
    const changes = after.map(
      ({ path, record: version, ref }): Change => ({
        table: "key-version",
        path,
        payload: toBinary(KeyVersionRecordSchema, version),
        previous: ref,
      }),
    );
    return this.#plan(record, before, all, [...changes, ...more]);
  }

  /** A new record of a key, with other changes that belong to it. */
  #plan(
    record: KeyRecord,
    previous: NamedRecord<KeyRecord> | null,
    versions: readonly Pick<StoredVersion, "info">[],
    more: readonly Change[],
  ): Plan<KeyWithVersions> {
    return {
      result: { key: keyInfo(record), versions: versions.map(({ info }) => info) },
      changes: [this.#keys.put(record, previous?.ref ?? null), ...more],
      committed: ([ref]) => {
        this.#versions.forget(keyId(record));
        this.#keys.written(record, ref);
      },
      discard: () => {},
    };
  }
}

/**
 * The version that a ciphertext names, if the ciphertext is this key's.
 * @throws BunkmsError `decryption_failed`
 */
export function versionOf(key: KeyInfo, header: Pick<CiphertextHeader, "keyId" | "version">): number {
  if (header.keyId.toString("hex") !== key.id || header.version < 1 || header.version > key.latestVersion) {
    throw new BunkmsError("decryption_failed");
  }
  return header.version;
}

const INFOS = new WeakMap<KeyRecord, KeyInfo>();

/** Records in the cache never change, so that what is read out of them need not be made for each call. */
function infoOf(record: KeyRecord): KeyInfo {
  let info = INFOS.get(record);
  if (info === undefined) {
    info = keyInfo(record);
    INFOS.set(record, info);
  }
  return info;
}

function isDue(state: string, at: bigint, now: number): boolean {
  return state === "pending_deletion" && Number(at) <= now;
}
