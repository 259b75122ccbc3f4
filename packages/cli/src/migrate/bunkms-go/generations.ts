import { type GoKey, type GoSecret, isEqual, wipeItem } from "./records.ts";

/** A record that is not carried over, because another one of the same name is. */
export interface Superseded {
  /** When it, or what it is of, was created; nanoseconds since 1970. */
  readonly createdAt: bigint;
  readonly reason: string;
}

/** Of all records of one name the one that counts, or why none does. */
export interface Choice<T> {
  /** Undefined when it cannot be told. */
  readonly chosen: T | undefined;
  readonly superseded: readonly Superseded[];
  /** Copies of the chosen one, and records of it from before its last change. */
  readonly copies: number;
  /** Older keys of the same name, each as it was last: the newest first. */
  readonly older: readonly T[];
}

/**
 * Chooses among the records of a key. The Go server forgets its keys at each start, so that a name may have been given several
 * times, and it leaves old records behind. The one whose last change is the newest counts, if what it is of is the newest, too.
 * What it had forgotten is chosen among likewise.
 * What is not chosen is zeroed.
 * @param records At least one.
 */
export function chooseKey(records: readonly GoKey[]): Choice<GoKey> {
  const newest = records.reduce((best, next) => (isLater(next, best) ? next : best));
  const others = records.filter((record) => record !== newest);
  const isAmbiguous = others.some(
    (other) =>
      other.createdAt > newest.createdAt || (lastChange(other) === lastChange(newest) && !isCopyOf(other, newest)),
  );
  const own = isAmbiguous ? others : others.filter((other) => isSameKey(other, newest));
  const result = split(own, newest, isAmbiguous, (other) => isCopyOf(other, newest), keyReason);
  wipeOthers([newest, ...own], result.chosen);
  const strangers = others.filter((other) => !own.includes(other));
  return strangers.length === 0 ? result : withOlder(result, chooseKey(strangers));
}

function withOlder(newer: Choice<GoKey>, { chosen, superseded, copies, older }: Choice<GoKey>): Choice<GoKey> {
  return {
    chosen: newer.chosen,
    superseded: [...newer.superseded, ...superseded],
    copies: newer.copies + copies,
    older: chosen === undefined ? older : [chosen, ...older],
  };
}

/** The same for a secret, of whose values the newest counts. */
export function chooseSecret(records: readonly GoSecret[]): Choice<GoSecret> {
  const newest = records.reduce((best, next) => (next.createdAt > best.createdAt ? next : best));
  const others = records.filter((record) => record !== newest);
  const isCopy = (other: GoSecret) => other.createdAt === newest.createdAt && isEqual(other.value, newest.value);
  const isAmbiguous = others.some((other) => other.createdAt === newest.createdAt && !isCopy(other));
  const result = split(
    others,
    newest,
    isAmbiguous,
    isCopy,
    () => "an older value: only the newest one is carried over",
  );
  wipeOthers(records, result.chosen);
  return result;
}

function split<T extends GoKey | GoSecret>(
  others: readonly T[],
  newest: T,
  isAmbiguous: boolean,
  isCopy: (other: T) => boolean,
  reason: (other: T) => string,
): Choice<T> {
  const apart = others.filter((other) => !isCopy(other));
  return {
    chosen: isAmbiguous ? undefined : newest,
    superseded: apart.map((other) => ({ createdAt: other.createdAt, reason: reason(other) })),
    copies: others.length - apart.length,
    older: [],
  };
}

function keyReason({ versions }: GoKey): string {
  return `a record with ${versions.length} versions of which the last are not those of the key: the Go server took them back`;
}

function isLater(one: GoKey, other: GoKey): boolean {
  const [a, b] = [lastChange(one), lastChange(other)];
  return a > b || (a === b && one.versions.length > other.versions.length);
}

/** When a key was created, rotated or revoked last. */
function lastChange({ createdAt, versions, revokedAt }: GoKey): bigint {
  return [createdAt, ...versions.map((version) => version.createdAt), revokedAt ?? 0n].reduce((a, b) =>
    a > b ? a : b,
  );
}

function isSameKey(one: GoKey, other: GoKey): boolean {
  const [first, otherFirst] = [one.versions[0], other.versions[0]];
  return (
    one.type === other.type &&
    one.createdAt === other.createdAt &&
    first !== undefined &&
    otherFirst !== undefined &&
    isEqual(first.material, otherFirst.material)
  );
}

/** Whether a record is the newest one as it was before, or is now. */
function isCopyOf(other: GoKey, newest: GoKey): boolean {
  return (
    isSameKey(other, newest) &&
    (other.revokedAt === undefined || other.revokedAt === newest.revokedAt) &&
    other.versions.every((version, i) => {
      const same = newest.versions[i];
      return same !== undefined && version.createdAt === same.createdAt && isEqual(version.material, same.material);
    })
  );
}

function wipeOthers<T extends GoKey | GoSecret>(records: readonly T[], chosen: T | undefined): void {
  for (const record of records) {
    if (record !== chosen) {
      wipeItem(record);
    }
  }
}
