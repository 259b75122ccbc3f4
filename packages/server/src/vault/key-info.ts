import type { KeyRecord, KeyVersionRecord } from "@bunkms/contract/record";
import type { KeyType, Purpose } from "../crypto/key-type.ts";
import { findKeyType } from "../crypto/key-types.ts";
import { tagLabels } from "./key-filter.ts";
import type { KeyHeading } from "./key-heading.ts";
import type { KeyState } from "./key-life.ts";

/** A key's metadata. Times are milliseconds since 1970. */
export interface KeyInfo {
  readonly name: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly type: KeyType;
  readonly purpose: Purpose;
  readonly state: KeyState;
  /** A key of its own is derived for each encryption context. */
  readonly derived: boolean;
  readonly deterministic: boolean;
  readonly exportable: boolean;
  readonly imported: boolean;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: number;
  /** 0 while it waits for its import. */
  readonly latestVersion: number;
  /** Older versions neither decrypt nor verify; 1: none is too old. */
  readonly minDecryptionVersion: number;
  /** Older versions neither encrypt nor sign. */
  readonly minEncryptionVersion: number;
  /** 0: does not rotate by itself. */
  readonly rotationPeriodSeconds: number;
  /** When it rotates by itself; 0: never. */
  readonly nextRotationAt: number;
  /** When it is destroyed; 0: not pending. */
  readonly deletionAt: number;
  /** Since when it is disabled; 0: it is not, or that is not known. */
  readonly disabledAt: number;
  /** Versions up to this one also open ciphertexts of the older Go BunKMS; 0: none. */
  readonly legacyVersions: number;
}

/** One version's metadata. */
export interface KeyVersionInfo {
  readonly version: number;
  readonly createdAt: number;
  readonly state: KeyState;
  /** SubjectPublicKeyInfo DER; empty for symmetric keys. */
  readonly publicKey: Uint8Array;
  /** When it is destroyed; 0: not pending. */
  readonly deletionAt: number;
}

/** What is kept in memory of every key, for finding it. */
export interface KeySummary {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly type: string;
  readonly state: KeyState;
  /** Of its tags. */
  readonly labels: readonly string[];
  /** When something is to be done with it by itself: a rotation, a destruction; Infinity: never. */
  readonly dueAt: number;
}

const NO_LABELS: readonly string[] = Object.freeze([]);

/** @throws Error for a record of a type that is not in the table. */
export function keyInfo(record: KeyRecord): KeyInfo {
  const type = findKeyType(record.type);
  if (type === undefined) {
    throw new Error(`a stored key is of the unknown type ${record.type}: was it made by a newer version?`);
  }
  return {
    name: record.name,
    id: keyId(record),
    type,
    purpose: record.purpose as Purpose,
    state: record.state as KeyState,
    derived: record.derived,
    deterministic: record.deterministic,
    exportable: record.exportable,
    imported: record.imported,
    description: record.description,
    tags: record.tags,
    createdAt: Number(record.createdAtMs),
    latestVersion: record.latestVersion,
    minDecryptionVersion: Math.max(1, record.minDecryptionVersion),
    minEncryptionVersion: Math.max(1, record.minEncryptionVersion),
    rotationPeriodSeconds: record.rotationPeriodSeconds,
    nextRotationAt: nextRotationAt(record),
    deletionAt: Number(record.deletionAtMs),
    disabledAt: Number(record.disabledAtMs),
    legacyVersions: record.legacyVersions,
  };
}

export function keyVersionInfo(version: number, record: KeyVersionRecord): KeyVersionInfo {
  return {
    version,
    createdAt: Number(record.createdAtMs),
    state: record.state as KeyState,
    publicKey: record.publicKey,
    deletionAt: Number(record.deletionAtMs),
  };
}

/** @param shared Gives the one copy of a text that all summaries share. */
export function keySummary(record: KeyHeading, shared: (text: string) => string): KeySummary {
  const times = [nextRotationAt(record), Number(record.deletionAtMs), Number(record.versionDeletionAtMs)];
  return {
    id: keyId(record),
    type: shared(record.type),
    state: shared(record.state) as KeyState,
    labels: Object.keys(record.tags).length === 0 ? NO_LABELS : tagLabels(record.tags, shared),
    dueAt: Math.min(...times.map((time) => time || Number.POSITIVE_INFINITY)),
  };
}

/** 32 hexadecimal digits. */
export function keyId(record: Pick<KeyRecord, "id">): string {
  return record.id.toHex();
}

function nextRotationAt({ rotationPeriodSeconds, rotatedAtMs, state }: KeyHeading): number {
  return rotationPeriodSeconds > 0 && state === "enabled" ? Number(rotatedAtMs) + rotationPeriodSeconds * 1000 : 0;
}
