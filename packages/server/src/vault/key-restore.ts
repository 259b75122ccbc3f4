import type { KeyObject } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type KeyRecord, type KeyVersionRecord, KeyVersionRecordSchema } from "@bunkms/contract/record";
import { equal } from "../crypto/kdf.ts";
import { keyId, keyVersionInfo } from "./key-info.ts";
import type { StoredVersion } from "./key-versions.ts";
import { materialCheck } from "./material-check.ts";
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

/** What of a key is decided when it is made. */
const LASTING = ["type", "purpose", "derived", "deterministic", "exportable", "imported", "legacyVersions"] as const;

/** Whether a key that is there is the destroyed self of one that comes back. */
export function isDestroyedSelf(there: KeyRecord, back: KeyRecord): boolean {
  return (
    there.state === "destroyed" &&
    keyId(there) === keyId(back) &&
    LASTING.every((member) => there[member] === back[member])
  );
}

/**
 * Where versions that come back are to be stored.
 * @param id The key's, 16 bytes.
 * @param versions From version 1 on.
 * @param known The records of their destroyed selves.
 * @param checkKey For check values of material.
 * @throws BunkmsError `already_exists` when one of them was another key.
 */
export function placeVersions(
  id: Uint8Array,
  versions: readonly RestoredVersion[],
  known: readonly StoredVersion[],
  checkKey: KeyObject,
): readonly PlacedVersion[] {
  return versions.map(({ record: backedUp, material }, i) => {
    const before = known[i];
    const check = material && materialCheck(checkKey, id, i + 1, material);
    const isAnother =
      before !== undefined &&
      !(
        equal(before.record.publicKey, backedUp.publicKey) &&
        (check === undefined || equal(before.record.materialCheck, check))
      );
    if (isAnother) {
      throw new BunkmsError("already_exists", "the destroyed key of this name was another one");
    }
    const record = create(KeyVersionRecordSchema, {
      ...backedUp,
      materialCheck: check ?? before?.record.materialCheck ?? new Uint8Array(),
    });
    return {
      record,
      material,
      path: versionPath(id.toHex(), i + 1),
      ref: before?.ref ?? null,
      info: keyVersionInfo(i + 1, record),
    };
  });
}
