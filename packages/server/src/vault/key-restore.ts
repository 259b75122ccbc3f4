import { BunkmsError } from "@bunkms/contract";
import type { KeyRecord, KeyVersionRecord } from "@bunkms/contract/record";
import { equal } from "../crypto/kdf.ts";
import { keyId, keyVersionInfo } from "./key-info.ts";
import type { StoredVersion } from "./key-versions.ts";
import { versionPath } from "./named-records.ts";
import type { RecordRef } from "./records.ts";

/** A version that comes back. */
export interface RestoredVersion {
  readonly record: KeyVersionRecord;
  /** Absent: it is destroyed. */
  readonly material?: Buffer | undefined;
}

/** A version that comes back, as it is to be stored. */
interface PlacedVersion extends RestoredVersion, Omit<StoredVersion, "ref"> {
  /** What it replaces: the record of its destroyed self. */
  readonly ref: RecordRef | null;
}

/** Whether a key that is there is the destroyed self of one that comes back. */
export function isDestroyedSelf(there: KeyRecord, back: KeyRecord): boolean {
  return there.state === "destroyed" && keyId(there) === keyId(back) && there.type === back.type;
}

/**
 * Where versions that come back are to be stored.
 * @param id The key's, 32 hexadecimal digits.
 * @param versions From version 1 on.
 * @param known The records of their destroyed selves.
 * @throws BunkmsError `already_exists` when one of them was another key pair.
 */
export function placeVersions(
  id: string,
  versions: readonly RestoredVersion[],
  known: readonly StoredVersion[],
): readonly PlacedVersion[] {
  return versions.map((version, i) => {
    const before = known[i];
    if (before !== undefined && !equal(before.record.publicKey, version.record.publicKey)) {
      throw new BunkmsError("already_exists", "the destroyed key of this name was another one");
    }
    return {
      ...version,
      path: versionPath(id, i + 1),
      ref: before?.ref ?? null,
      info: keyVersionInfo(i + 1, version.record),
    };
  });
}
