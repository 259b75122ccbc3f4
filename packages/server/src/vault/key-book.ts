import type { KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { type KeyRecord, KeyRecordSchema } from "@bunkms/contract/record";
import type { CiphertextHeader, OpenedVersion } from "../crypto/key-type.ts";
import { fitsFilter, type KeyFilter } from "./key-filter.ts";
import { type KeyHeading, readKeyHeading } from "./key-heading.ts";
import { type KeyInfo, type KeySummary, type KeyVersionInfo, keyId, keyInfo, keySummary } from "./key-info.ts";
import { requireEnabled } from "./key-life.ts";
import { KeyVersions, type StoredVersion } from "./key-versions.ts";
import { type NamedRecord, NamedRecords, versionPath } from "./named-records.ts";
import type { Records, ReportRecord } from "./records.ts";

/** A key as it is in the store. */
export interface StoredKey {
  readonly record: KeyRecord;
  /** In ascending order. */
  readonly versions: readonly StoredVersion[];
}

/** What a version is opened for: to make something new, or to open or check what it made. */
export type Direction = "make" | "open";

/** What is known of the vault's keys, and their opened versions. */
export class KeyBook {
  protected readonly keys: NamedRecords<typeof KeyRecordSchema, KeyRecord, KeySummary, KeyHeading>;
  protected readonly versionsOf: KeyVersions;
  /** By name: goes up with each change that could end a use of the key. */
  protected readonly epochs = new Map<string, number>();
  #loads = 0;

  constructor(records: Records, indexKey: KeyObject) {
    const labelsOf = ({ labels }: KeySummary) => labels;
    this.keys = new NamedRecords("key", KeyRecordSchema, records, indexKey, keySummary, labelsOf, readKeyHeading);
    this.versionsOf = new KeyVersions(records);
  }

  /** Reads the names of all keys; forgets what was cached. */
  async load(report?: ReportRecord): Promise<void> {
    await this.keys.load(report);
    this.versionsOf.forget();
    this.#loads += 1;
  }

  /** A key with its versions as they are in the store. @throws BunkmsError `not_found` */
  async stored(name: string): Promise<StoredKey> {
    const { record } = await this.find(name);
    return { record, versions: await this.versionsOf.list(keyId(record)) };
  }

  /** Names of keys with something due, at most so many. */
  due(now: number, limit: number, after = ""): readonly string[] {
    return this.keys.page("", after, limit, ({ dueAt }) => dueAt <= now);
  }

  /** @throws BunkmsError `not_found` */
  async get(name: string): Promise<KeyInfo> {
    return infoOf((await this.find(name)).record);
  }

  /**
   * Another value after each change that could end a use of the key: of its state, of a version's, of its bounds. Taken
   * before the key is looked at, and compared when the use is recorded.
   */
  useEpoch(name: string): string {
    return `${this.#loads}.${this.epochs.get(name) ?? 0}`;
  }

  /** One version. @throws BunkmsError `unknown_version` */
  async version(key: KeyInfo, version: number): Promise<KeyVersionInfo> {
    if (version < 1 || version > key.latestVersion) {
      throw new BunkmsError("unknown_version");
    }
    return this.versionsOf.info(key, version);
  }

  /** All versions of a key in ascending order, without those that it got since it was read. */
  async versions(key: KeyInfo): Promise<readonly KeyVersionInfo[]> {
    const stored = await this.versionsOf.list(key.id);
    return stored.map(({ info }) => info).filter(({ version }) => version <= key.latestVersion);
  }

  /** A page of keys in the order of their names. */
  async list(filter: KeyFilter, after: string, limit: number): Promise<readonly KeyInfo[]> {
    const label = filter.tag === "" ? undefined : filter.tag;
    const found = await this.keys.list(filter.prefix, after, limit, fitsFilter(filter), label);
    return found.map(({ record }) => infoOf(record));
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
    // Nothing is made with a version that could not open or verify it.
    if (number < key.minDecryptionVersion) {
      throw tooOld(number, "min_decryption_version");
    }
    if (direction === "make" && number < key.minEncryptionVersion) {
      throw tooOld(number, "min_encryption_version");
    }
    requireEnabled((await this.versionsOf.info(key, number)).state, `version ${number}`);
    return number;
  }

  /** Opens a usable version's secret or private key. */
  async open(key: KeyInfo, version: number): Promise<OpenedVersion> {
    return this.versionsOf.open(key, version);
  }

  /** A version's stored material, which the caller zeroes. */
  async material(key: KeyInfo, version: number): Promise<Buffer> {
    return this.versionsOf.material(versionPath(key.id, version));
  }

  /** A usable version's public key. */
  async publicKey(key: KeyInfo, version: number): Promise<KeyObject> {
    return this.versionsOf.publicKey(key, version);
  }

  protected hasId(id: string): boolean {
    return this.keys.page("", "", 1, (summary) => summary.id === id).length > 0;
  }

  protected async find(name: string): Promise<NamedRecord<KeyRecord>> {
    const key = await this.keys.find(name);
    if (key === undefined) {
      throw new BunkmsError("not_found", "there is no key of this name or alias");
    }
    return key;
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

function tooOld(version: number, bound: string): BunkmsError {
  return new BunkmsError("wrong_key_state", `version ${version} is older than the key's ${bound}`);
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
