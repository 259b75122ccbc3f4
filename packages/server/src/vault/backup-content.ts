import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import {
  type KeyBackup,
  KeyBackupSchema,
  type KeyRecord,
  KeyRecordSchema,
  KeyUsageRecordSchema,
  type KeyVersionRecord,
  KeyVersionRecordSchema,
  type VersionBackup,
} from "@bunkms/contract/record";
import { equal, wipe } from "../crypto/kdf.ts";
import type { KeyType } from "../crypto/key-type.ts";
import { findKeyType, materialFormat } from "../crypto/key-types.ts";
import { checkKeyOptions, checkRotationPeriod, MOST_TAGS, opensLegacy } from "./key-options.ts";
import type { RestoredVersion } from "./key-restore.ts";

/** What a backup holds, once it was opened and found to be a key. */
export interface BackupContent {
  readonly record: KeyRecord;
  /** From version 1 on. Whoever takes them zeroes their material. */
  readonly versions: readonly RestoredVersion[];
  readonly usage: ReturnType<typeof create<typeof KeyUsageRecordSchema>>;
}

const ID_LENGTH = 16;
const CLOCK_SKEW_MS = 3_600_000;

// As the contract has it for CreateKey.
const MOST_DESCRIPTION_BYTES = 1024;
const TAG_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;
const MOST_TAG_BYTES = 256;

/** What comes back from these states. A deletion is over: its time may have passed while nobody could cancel it. */
const KEY_STATES: ReadonlyMap<string, string> = new Map([
  ["enabled", "enabled"],
  ["disabled", "disabled"],
  ["pending_deletion", "disabled"],
]);
const VERSION_STATES: ReadonlyMap<string, string> = new Map([...KEY_STATES, ["destroyed", "destroyed"]]);

/**
 * Reads a backup's content. Nobody says who sealed it, so that it is believed no more than any import: the material must
 * be of the declared type, and belong to the public keys beside it.
 *
 * @param content Zeroed here.
 * @param now Milliseconds since 1970: nothing in it can be later.
 * @throws BunkmsError `invalid_request`, `unsupported_key_type`, `invalid_key_material`
 */
export async function readBackupContent(content: Buffer, now: number): Promise<BackupContent> {
  const versions: RestoredVersion[] = [];
  try {
    const backup = decode(content);
    const { key, usage = create(KeyUsageRecordSchema) } = backup;
    const type = findKeyType(key?.type ?? "");
    if (key === undefined || type === undefined) {
      throw new BunkmsError("unsupported_key_type", "the backup is of a key of an unknown type");
    }
    const record = readKey(key, type, backup.versions.length, now);
    for (const version of backup.versions) {
      versions.push(readVersion(version, type, now));
      // A check of RSA takes up to 0.2 s: others have their turn in between.
      await new Promise(setImmediate);
    }
    const known = new Set(versions.map((_, i) => i + 1));
    requireSound(
      usage.versions.every(
        ({ version, lastUsedAtMs, uses, reserved }) =>
          known.delete(version) && isTime(lastUsedAtMs, now) && isCount(uses) && isCount(reserved),
      ),
    );
    return { record, versions, usage };
  } catch (error) {
    wipe(...versions.flatMap(({ material }) => material ?? []));
    throw error;
  } finally {
    wipe(content);
  }
}

/** In its one encoding, without fields that this version does not know. */
function decode(content: Buffer): KeyBackup {
  let backup: KeyBackup;
  try {
    backup = fromBinary(KeyBackupSchema, content);
  } catch {
    throw unsound();
  }
  const again = toBinary(KeyBackupSchema, backup, { writeUnknownFields: false });
  const isSame = equal(again, content);
  wipe(again);
  requireSound(isSame);
  return backup;
}

function readKey(key: KeyRecord, type: KeyType, versions: number, now: number): KeyRecord {
  const state = KEY_STATES.get(key.state);
  const { derived, deterministic, exportable, imported, purpose } = key;
  const options = { typeName: type.name, purpose, derived, deterministic, exportable, imported };
  requireSound(purpose !== "" && checkKeyOptions(type, options) === purpose);
  checkRotationPeriod(key.rotationPeriodSeconds, imported);
  requireSound(key.id.length === ID_LENGTH && versions > 0 && versions === key.latestVersion);
  requireSound(key.legacyVersions <= versions && (key.legacyVersions === 0 || opensLegacy(type, options)));
  requireSound(Math.max(key.minDecryptionVersion, key.minEncryptionVersion) <= versions);
  requireSound(Buffer.byteLength(key.description) <= MOST_DESCRIPTION_BYTES);
  requireSound(Object.keys(key.tags).length <= MOST_TAGS && Object.entries(key.tags).every(isTag));
  requireSound(isTime(key.createdAtMs, now) && isTime(key.rotatedAtMs, now) && isTime(key.disabledAtMs, now));
  if (state === undefined) {
    throw unsound();
  }
  return create(KeyRecordSchema, {
    ...key,
    tags: { ...key.tags },
    // A copy: the content is zeroed.
    id: Uint8Array.from(key.id),
    state,
    deletionAtMs: 0n,
    versionDeletionAtMs: 0n,
  });
}

function readVersion({ version, material }: VersionBackup, type: KeyType, now: number): RestoredVersion {
  const state = VERSION_STATES.get(version?.state ?? "");
  if (version === undefined || state === undefined) {
    throw unsound();
  }
  requireSound(isTime(version.createdAtMs, now) && version.materialCheck.length === 0);
  const record: KeyVersionRecord = create(KeyVersionRecordSchema, {
    createdAtMs: version.createdAtMs,
    state,
    publicKey: Uint8Array.from(version.publicKey),
  });
  if (state === "destroyed") {
    requireSound(material.length === 0);
    return { record };
  }
  const accepted = type.accept(materialFormat(type), material);
  if (!equal(accepted.publicKey, record.publicKey)) {
    wipe(accepted.material);
    throw unsound();
  }
  return { record, material: accepted.material };
}

/** Clocks of two clusters may differ by a little. */
function isTime(ms: bigint, now: number): boolean {
  return ms >= 0n && ms <= BigInt(now + CLOCK_SKEW_MS);
}

function isCount(count: bigint): boolean {
  return count >= 0n && count <= BigInt(Number.MAX_SAFE_INTEGER);
}

function isTag([name, value]: readonly [string, string]): boolean {
  return TAG_NAME.test(name) && Buffer.byteLength(value) <= MOST_TAG_BYTES;
}

function requireSound(isSound: boolean): void {
  if (!isSound) {
    throw unsound();
  }
}

const unsound = (): BunkmsError =>
  new BunkmsError("invalid_request", "what the backup holds is not a key, or one of a newer version");
