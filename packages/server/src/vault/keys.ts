import type { KeyObject } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type KeyRecord, KeyRecordSchema, KeyVersionRecordSchema } from "@bunkms/contract/record";
import { wipe } from "../crypto/kdf.ts";
import type { GeneratedKey } from "../crypto/key-type.ts";
import { findKeyType, keyTypeNames } from "../crypto/key-types.ts";
import { randomBytes } from "../crypto/random.ts";
import { ImportKeys } from "./import-keys.ts";
import { KeyBook } from "./key-book.ts";
import { type KeyInfo, type KeyVersionInfo, keyId, keyInfo, keyVersionInfo } from "./key-info.ts";
import { type KeyState, type LifeStep, nextState, refuseDestroyed, requireEnabled } from "./key-life.ts";
import { checkKeyOptions, type KeyOptions } from "./key-options.ts";
import { isDestroyedSelf, placeVersions, type RestoredVersion } from "./key-restore.ts";
import { applySettings, type KeySettings } from "./key-settings.ts";
import { type StoredVersion, withState } from "./key-versions.ts";
import { materialCheck } from "./material-check.ts";
import { type NamedRecord, versionPath } from "./named-records.ts";
import type { Plan } from "./plan.ts";
import type { Change, Records } from "./records.ts";

const DAY_MS = 86_400_000;

/** A key with all its versions in ascending order. */
export interface KeyWithVersions {
  readonly key: KeyInfo;
  readonly versions: readonly KeyVersionInfo[];
}

/** The vault's keys, and what happens to them. */
export class Keys extends KeyBook {
  readonly #imports: ImportKeys;
  readonly #checkKey: KeyObject;

  constructor(records: Records, indexKey: KeyObject, checkKey: KeyObject) {
    super(records, indexKey);
    this.#checkKey = checkKey;
    this.#imports = new ImportKeys(records);
  }

  /** @throws BunkmsError `unsupported_key_type`, `invalid_request`, `already_exists` */
  async create(name: string, options: KeyOptions, settings: KeySettings, now: number): Promise<Plan<KeyWithVersions>> {
    const type = findKeyType(options.typeName);
    if (type === undefined) {
      throw new BunkmsError("unsupported_key_type", `unknown key type; known are ${keyTypeNames().join(", ")}`);
    }
    const purpose = checkKeyOptions(type, options);
    if ((await this.keys.find(name)) !== undefined) {
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
    const before = await this.find(name);
    const key = keyInfo(before.record);
    requireEnabled(key.state, "the key");
    if (key.imported) {
      throw new BunkmsError("invalid_request", "an imported key gets its next version by import");
    }
    return this.#rotation(before, now);
  }

  /** The key's own rotation, if it is due. */
  async rotateDue(name: string, now: number): Promise<Plan<KeyWithVersions> | undefined> {
    const before = await this.find(name);
    const { nextRotationAt } = keyInfo(before.record);
    return nextRotationAt !== 0 && nextRotationAt <= now ? this.#rotation(before, now) : undefined;
  }

  /** The rotation of a key whose version must not be used much longer, if it is still its latest and can be rotated. */
  async rotateSpent(name: string, version: number, now: number): Promise<Plan<KeyWithVersions> | undefined> {
    const before = await this.find(name);
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
    const before = await this.find(name);
    if (!before.record.imported) {
      throw new BunkmsError("invalid_request", "the key was not made for imports");
    }
    const state = nextState("import", before.record.state as KeyState, "the key");
    const versions = await this.versionsOf.list(keyId(before.record));
    return this.#planVersion({ ...before.record, state }, before, versions, generated, now);
  }

  /** Changes settings. @throws BunkmsError `not_found`, `wrong_key_state`, `invalid_request` */
  async update(name: string, settings: KeySettings): Promise<Plan<KeyWithVersions>> {
    const before = await this.find(name);
    refuseDestroyed(before.record.state as KeyState, "the key");
    const record = create(KeyRecordSchema, { ...before.record, tags: { ...before.record.tags } });
    applySettings(record, settings);
    return this.#plan(record, before, await this.versionsOf.list(keyId(record)), []);
  }

  /**
   * Moves a key to another state.
   * @param windowDays For `schedule_deletion`: days until it is destroyed.
   * @throws BunkmsError `not_found`, `wrong_key_state`
   */
  async step(name: string, step: LifeStep, now: number, windowDays = 0): Promise<Plan<KeyWithVersions>> {
    const before = await this.find(name);
    let state = nextState(step, before.record.state as KeyState, "the key");
    if (state === "disabled" && before.record.latestVersion === 0) {
      // A key without material was waiting before, and does so again.
      state = "pending_import";
    }
    const record = create(KeyRecordSchema, {
      ...before.record,
      state,
      deletionAtMs: deletionAt(state, now, windowDays),
      disabledAtMs: state === "disabled" ? BigInt(now) : 0n,
    });
    return this.#plan(record, before, await this.versionsOf.list(keyId(record)), []);
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
    const before = await this.find(name);
    refuseDestroyed(before.record.state as KeyState, "the key");
    const versions = await this.versionsOf.list(keyId(before.record));
    const stored = versions.find(({ info }) => info.version === version);
    if (stored === undefined) {
      throw new BunkmsError("unknown_version");
    }
    const state = nextState(step, stored.info.state, `version ${version}`);
    if (state === "pending_deletion" && version === before.record.latestVersion) {
      throw new BunkmsError("wrong_key_state", "the latest version cannot be destroyed alone: rotate the key first");
    }
    const after = withState(stored, state, deletionAt(state, now, windowDays));
    return this.#planVersions(before, versions, [after], []);
  }

  /**
   * Brings back a key that was backed up, in the place of none or of its own destroyed self.
   * @param record Its name is that under which it comes back.
   * @param versions From version 1 on. Their material is taken over, and zeroed when the plan is discarded.
   * @throws BunkmsError `already_exists`
   */
  async restore(record: KeyRecord, versions: readonly RestoredVersion[]): Promise<Plan<KeyWithVersions>> {
    const id = keyId(record);
    const before = await this.keys.find(record.name);
    if (before === undefined ? this.hasId(id) : !isDestroyedSelf(before.record, record)) {
      throw new BunkmsError("already_exists", "there is a key of this name, or one with the id of the backup's key");
    }
    const known = before === undefined ? [] : await this.versionsOf.list(id);
    const placed = placeVersions(record.id, versions, known, this.#checkKey);
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

  /** What is due for a key: its own destruction, or that of versions. undefined: nothing. */
  async destroyDue(name: string, now: number): Promise<Plan<KeyWithVersions> | undefined> {
    const before = await this.find(name);
    const all = isDue(before.record.state, before.record.deletionAtMs, now);
    const versions = await this.versionsOf.list(keyId(before.record));
    const destroyed = versions.filter(
      ({ info, record }) => (all && info.state !== "destroyed") || isDue(info.state, record.deletionAtMs, now),
    );
    if (!all && destroyed.length === 0) {
      return undefined;
    }
    const removed: Change[] = [];
    for (const { path } of destroyed) {
      removed.push(await this.versionsOf.removal(path));
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

  async #rotation(before: NamedRecord<KeyRecord>, now: number): Promise<Plan<KeyWithVersions>> {
    const { id, type } = keyInfo(before.record);
    return this.#planVersion(before.record, before, await this.versionsOf.list(id), await type.generate(), now);
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
      materialCheck: materialCheck(this.#checkKey, record.id, record.latestVersion, generated.material),
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
    const byPath = new Map(after.map((stored) => [stored.path, stored]));
    const all = versions.map((stored) => byPath.get(stored.path) ?? stored);
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
      changes: [this.keys.put(record, previous?.ref ?? null), ...more],
      committed: ([ref]) => {
        if (endsUses(previous?.record, record, more)) {
          this.epochs.set(record.name, (this.epochs.get(record.name) ?? 0) + 1);
        }
        this.versionsOf.forget(keyId(record));
        this.keys.written(record, ref);
      },
      discard: () => {},
    };
  }
}

/** Whether a use that was allowed before a change may not be after it. */
function endsUses(before: KeyRecord | undefined, after: KeyRecord, more: readonly Change[]): boolean {
  return (
    before?.state !== after.state ||
    before.minDecryptionVersion !== after.minDecryptionVersion ||
    before.minEncryptionVersion !== after.minEncryptionVersion ||
    more.some(({ table, previous }) => table === "key-version" && previous !== null)
  );
}

/** When what is in this state since now is destroyed; 0: it is not. */
function deletionAt(state: KeyState, now: number, windowDays: number): bigint {
  return state === "pending_deletion" ? BigInt(now + windowDays * DAY_MS) : 0n;
}

function isDue(state: string, at: bigint, now: number): boolean {
  return state === "pending_deletion" && Number(at) <= now;
}
