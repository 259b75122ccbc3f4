import type { KeyObject } from "node:crypto";
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type KeyVersionRecord, KeyVersionRecordSchema } from "@bunkms/contract/record";
import { wipe } from "../crypto/kdf.ts";
import type { OpenedVersion } from "../crypto/key-type.ts";
import { forgetKey } from "../crypto/key-types.ts";
import { type KeyInfo, type KeyVersionInfo, keyVersionInfo } from "./key-info.ts";
import type { KeyState } from "./key-life.ts";
import { Lru } from "./lru.ts";
import { versionPath } from "./named-records.ts";
import type { Change, OpenedRecord, RecordRef, Records } from "./records.ts";

/** A version as it is in the store. */
export interface StoredVersion {
  readonly path: string;
  readonly record: KeyVersionRecord;
  readonly ref: RecordRef;
  readonly info: KeyVersionInfo;
}

interface Cached {
  readonly info: KeyVersionInfo;
  opened?: OpenedVersion;
  publicKey?: KeyObject;
}

const CACHED = 10_000;

/** The versions of all keys. Secret material is opened only for use, and stays in OpenSSL's keeping. */
export class KeyVersions {
  readonly #records: Records;
  readonly #cache = new Lru<Cached>(CACHED);
  /** Goes up with each change, so that what was read before one does not enter the cache after it. */
  #changes = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Forgets what was cached, and derived, of one key or of all. @param id 32 hexadecimal digits. */
  forget(id?: string): void {
    this.#changes += 1;
    if (id === undefined) {
      this.#cache.clear();
      forgetKey();
    } else {
      this.#cache.deletePrefix(`${id}/`);
      forgetKey(Buffer.from(id, "hex"));
    }
  }

  /** All versions of a key in ascending order. */
  async list(id: string): Promise<readonly StoredVersion[]> {
    const versions: StoredVersion[] = [];
    for await (const { path, payload, ref } of this.#records.all("key-version", `${id}/`)) {
      const record = fromBinary(KeyVersionRecordSchema, payload);
      versions.push({ path, record, ref, info: keyVersionInfo(Number(path.slice(id.length + 1)), record) });
    }
    return versions;
  }

  /** One version's metadata. It must be there. */
  async info(key: KeyInfo, version: number): Promise<KeyVersionInfo> {
    return (await this.#get(versionPath(key.id, version), version)).info;
  }

  /** Opens a version's material. It must be there. */
  async open(key: KeyInfo, version: number): Promise<OpenedVersion> {
    const path = versionPath(key.id, version);
    const cached = await this.#get(path, version);
    cached.opened ??= await this.#load(key, version, path);
    return cached.opened;
  }

  /** A version's public key, of a key pair. It must be there. */
  async publicKey(key: KeyInfo, version: number): Promise<KeyObject> {
    const cached = await this.#get(versionPath(key.id, version), version);
    if (cached.publicKey === undefined) {
      if (key.type.loadPublic === undefined) {
        throw new Error(`keys of type ${key.type.name} have no public key`);
      }
      cached.publicKey = key.type.loadPublic(cached.info.publicKey);
    }
    return cached.publicKey;
  }

  /** A version's stored material, which the caller zeroes. It must be there. */
  async material(path: string): Promise<Buffer> {
    return (await this.#readMaterial(path)).payload;
  }

  /** The change that destroys a version's material. */
  async removal(path: string): Promise<Change> {
    const record = await this.#readMaterial(path);
    wipe(record.payload);
    return { table: "key-material", path, payload: null, previous: record.ref };
  }

  async #get(path: string, version: number): Promise<Cached> {
    const cached = this.#cache.get(path);
    if (cached !== undefined) {
      return cached;
    }
    const changes = this.#changes;
    const record = await this.#records.read("key-version", path);
    if (record === undefined) {
      throw new Error(`the record of a key version is missing: ${path}`);
    }
    const read = { info: keyVersionInfo(version, fromBinary(KeyVersionRecordSchema, record.payload)) };
    if (changes === this.#changes) {
      this.#cache.set(path, read);
    }
    return read;
  }

  async #load(key: KeyInfo, version: number, path: string): Promise<OpenedVersion> {
    const record = await this.#readMaterial(path);
    const opened = { keyId: Buffer.from(key.id, "hex"), version, key: key.type.load(record.payload) };
    wipe(record.payload);
    return opened;
  }

  async #readMaterial(path: string): Promise<OpenedRecord> {
    const record = await this.#records.read("key-material", path);
    if (record === undefined) {
      throw new Error(`the material of a key version is missing: ${path}`);
    }
    return record;
  }
}

/** A version in another state. */
export function withState(stored: StoredVersion, state: KeyState, deletionAtMs: bigint): StoredVersion {
  const record: KeyVersionRecord = create(KeyVersionRecordSchema, {
    ...(stored.record as MessageInitShape<typeof KeyVersionRecordSchema>),
    state,
    deletionAtMs,
  });
  return { ...stored, record, info: keyVersionInfo(stored.info.version, record) };
}
