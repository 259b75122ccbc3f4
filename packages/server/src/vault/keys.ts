import type { KeyObject } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import {
  type KeyRecord,
  KeyRecordSchema,
  type KeyVersionRecord,
  KeyVersionRecordSchema,
} from "@bunkms/contract/record";
import { wipe } from "../crypto/kdf.ts";
import type { CiphertextHeader, GeneratedKey, KeyType, OpenedVersion, Purpose } from "../crypto/key-type.ts";
import { findKeyType, forgetKey, keyTypeNames } from "../crypto/key-types.ts";
import { loadPublicKey } from "../crypto/public-key.ts";
import { randomBytes } from "../crypto/random.ts";
import { Lru } from "./lru.ts";
import { type NamedRecord, NamedRecords, versionPath } from "./named-records.ts";
import type { Plan } from "./plan.ts";
import type { Change, RecordRef, Records } from "./records.ts";

/** A key's metadata. */
export interface KeyInfo {
  readonly name: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly type: KeyType;
  readonly purpose: Purpose;
  readonly createdAt: number;
  readonly latestVersion: number;
}

/** One version's metadata. */
export interface KeyVersionInfo {
  readonly version: number;
  readonly createdAt: number;
  readonly state: string;
  /** SubjectPublicKeyInfo DER; empty for symmetric keys. */
  readonly publicKey: Uint8Array;
}

/** A key with all its versions in ascending order. */
export interface KeyWithVersions {
  readonly key: KeyInfo;
  readonly versions: readonly KeyVersionInfo[];
}

const CACHED_VERSIONS = 10_000;
const ENABLED = "enabled";

/** The vault's keys. Secret material is opened only for use, and stays in OpenSSL's keeping. */
export class Keys {
  readonly #records: Records;
  readonly #keys: NamedRecords<typeof KeyRecordSchema, KeyRecord>;
  readonly #opened = new Lru<OpenedVersion>(CACHED_VERSIONS);
  readonly #publicKeys = new Lru<KeyObject>(CACHED_VERSIONS);

  constructor(records: Records, indexKey: KeyObject) {
    this.#records = records;
    this.#keys = new NamedRecords("key", KeyRecordSchema, records, indexKey);
  }

  /** Reads the names of all keys; forgets what was cached. */
  async load(): Promise<void> {
    await this.#keys.load();
    this.#opened.clear();
    this.#publicKeys.clear();
    forgetKey();
  }

  /** @throws BunkmsError `unsupported_key_type`, `already_exists` */
  async create(name: string, typeName: string, now: number): Promise<Plan<KeyWithVersions>> {
    const type = findKeyType(typeName);
    if (type === undefined) {
      throw new BunkmsError("unsupported_key_type", `unknown key type; known are ${keyTypeNames().join(", ")}`);
    }
    if ((await this.#keys.find(name)) !== undefined) {
      throw new BunkmsError("already_exists", "a key of this name exists");
    }
    const record = create(KeyRecordSchema, {
      name,
      id: randomBytes(16),
      type: type.name,
      createdAtMs: BigInt(now),
      latestVersion: 1,
    });
    return this.#plan(record, null, [], await type.generate(), now);
  }

  /** Adds a version. @throws BunkmsError `not_found` */
  async rotate(name: string, now: number): Promise<Plan<KeyWithVersions>> {
    const { record, ref } = await this.#get(name);
    const next = create(KeyRecordSchema, { ...record, latestVersion: record.latestVersion + 1 });
    const key = keyInfo(record);
    return this.#plan(next, ref, await this.versions(key), await key.type.generate(), now);
  }

  /** @throws BunkmsError `not_found` */
  async get(name: string): Promise<KeyInfo> {
    return keyInfo((await this.#get(name)).record);
  }

  /** All versions of a key in ascending order. */
  async versions(key: KeyInfo): Promise<readonly KeyVersionInfo[]> {
    const versions: KeyVersionInfo[] = [];
    for await (const { path, payload } of this.#records.all("key-version", `${key.id}/`)) {
      versions.push(versionInfo(Number(path.slice(key.id.length + 1)), fromBinary(KeyVersionRecordSchema, payload)));
    }
    return versions;
  }

  /** A page of keys in the order of their names. */
  async list(prefix: string, after: string, limit: number): Promise<readonly KeyInfo[]> {
    return Promise.all(this.#keys.page(prefix, after, limit).map((name) => this.get(name)));
  }

  /** Opens the version that encrypts and signs now. @throws BunkmsError `not_found` */
  async openLatest(key: KeyInfo): Promise<OpenedVersion> {
    return this.#openVersion(key, key.latestVersion);
  }

  /**
   * Opens the version that a ciphertext names.
   * @throws BunkmsError `decryption_failed` when it is not this key's.
   */
  async openForDecrypting(key: KeyInfo, header: Pick<CiphertextHeader, "keyId" | "version">): Promise<OpenedVersion> {
    if (header.keyId.toString("hex") !== key.id || header.version < 1 || header.version > key.latestVersion) {
      throw new BunkmsError("decryption_failed");
    }
    return this.#openVersion(key, header.version);
  }

  /** One version's public key. @throws BunkmsError `unknown_version` */
  async publicKey(key: KeyInfo, version: number): Promise<KeyObject> {
    if (version < 1 || version > key.latestVersion) {
      throw new BunkmsError("unknown_version");
    }
    const path = versionPath(key.id, version);
    const cached = this.#publicKeys.get(path);
    if (cached !== undefined) {
      return cached;
    }
    const record = await this.#records.read("key-version", path);
    if (record === undefined) {
      throw new Error(`the record of a key version is missing: ${path}`);
    }
    const publicKey = loadPublicKey(fromBinary(KeyVersionRecordSchema, record.payload).publicKey);
    this.#publicKeys.set(path, publicKey);
    return publicKey;
  }

  async #openVersion(key: KeyInfo, version: number): Promise<OpenedVersion> {
    const path = versionPath(key.id, version);
    const cached = this.#opened.get(path);
    if (cached !== undefined) {
      return cached;
    }
    const record = await this.#records.read("key-material", path);
    if (record === undefined) {
      throw new Error(`the material of a key version is missing: ${path}`);
    }
    const opened = { keyId: Buffer.from(key.id, "hex"), version, key: key.type.load(record.payload) };
    wipe(record.payload);
    this.#opened.set(path, opened);
    return opened;
  }

  async #get(name: string): Promise<NamedRecord<KeyRecord>> {
    const key = await this.#keys.find(name);
    if (key === undefined) {
      throw new BunkmsError("not_found", "there is no key of this name");
    }
    return key;
  }

  /** The changes that bring in the latest version of a key. Takes over the generated material and zeroes it. */
  #plan(
    record: KeyRecord,
    previous: RecordRef | null,
    versions: readonly KeyVersionInfo[],
    generated: GeneratedKey,
    now: number,
  ): Plan<KeyWithVersions> {
    const path = versionPath(Buffer.from(record.id).toString("hex"), record.latestVersion);
    const version = create(KeyVersionRecordSchema, {
      createdAtMs: BigInt(now),
      state: ENABLED,
      publicKey: generated.publicKey,
    });
    const changes: Change[] = [
      this.#keys.put(record, previous),
      { table: "key-version", path, payload: toBinary(KeyVersionRecordSchema, version), previous: null },
      { table: "key-material", path, payload: generated.material, previous: null },
    ];
    return {
      result: { key: keyInfo(record), versions: [...versions, versionInfo(record.latestVersion, version)] },
      changes,
      committed: ([ref]) => this.#keys.written(record, ref),
      discard: () => wipe(generated.material),
    };
  }
}

function keyInfo(record: KeyRecord): KeyInfo {
  const type = findKeyType(record.type);
  if (type === undefined) {
    throw new Error(`a stored key is of the unknown type ${record.type}: was it made by a newer version?`);
  }
  return {
    name: record.name,
    id: Buffer.from(record.id).toString("hex"),
    type,
    purpose: type.purposes[0] as Purpose,
    createdAt: Number(record.createdAtMs),
    latestVersion: record.latestVersion,
  };
}

function versionInfo(version: number, record: KeyVersionRecord): KeyVersionInfo {
  return { version, createdAt: Number(record.createdAtMs), state: record.state, publicKey: record.publicKey };
}
