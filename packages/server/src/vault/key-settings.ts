import { BunkmsError } from "@bunkms/contract";
import type { KeyRecord } from "@bunkms/contract/record";
import { checkRotationPeriod, MOST_TAGS } from "./key-options.ts";

/** What may be given with a new key, and changed later. */
export interface KeySettings {
  readonly description?: string | undefined;
  readonly tags?: Readonly<Record<string, string>>;
  readonly removeTags?: readonly string[];
  readonly rotationPeriodSeconds?: number | undefined;
  readonly minDecryptionVersion?: number | undefined;
  readonly minEncryptionVersion?: number | undefined;
}

/**
 * Writes settings into a new record, whose tags are its own.
 * @throws BunkmsError `invalid_request`, `unknown_version`; the record is of no use then.
 */
export function applySettings(record: KeyRecord, settings: KeySettings): void {
  checkRotationPeriod(settings.rotationPeriodSeconds ?? 0, record.imported);
  for (const name of ["minDecryptionVersion", "minEncryptionVersion"] as const) {
    if ((settings[name] ?? 0) > record.latestVersion) {
      throw new BunkmsError("unknown_version", "a bound must not be above the latest version");
    }
    record[name] = settings[name] ?? record[name];
  }
  record.description = settings.description ?? record.description;
  record.rotationPeriodSeconds = settings.rotationPeriodSeconds ?? record.rotationPeriodSeconds;
  Object.assign(record.tags, settings.tags);
  for (const name of settings.removeTags ?? []) {
    delete record.tags[name];
  }
  if (Object.keys(record.tags).length > MOST_TAGS) {
    throw new BunkmsError("invalid_request", `tags: at most ${MOST_TAGS}`);
  }
}
