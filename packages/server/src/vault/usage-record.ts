import { create } from "@bufbuild/protobuf";
import {
  type KeyUsageRecord,
  KeyUsageRecordSchema,
  type VersionUsage,
  VersionUsageSchema,
} from "@bunkms/contract/record";

/** Uses are counted up to here: numbers hold them, and no sum of what a record says overflows its field. */
export const MOST_USES = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * A copy of a record in which the usage of some versions is changed, in the order of the versions; the record itself,
 * which may be in a cache, stays as it is.
 * @param changes By version, each with what changes a copy of its usage.
 */
export function withUsage(
  record: KeyUsageRecord,
  changes: Iterable<readonly [version: number, change: (use: VersionUsage) => void]>,
): KeyUsageRecord {
  const uses = new Map(record.versions.map((use) => [use.version, use]));
  for (const [version, change] of changes) {
    const before = uses.get(version);
    const use = create(VersionUsageSchema, before === undefined ? { version } : { ...before });
    change(use);
    use.uses = use.uses < MOST_USES ? use.uses : MOST_USES;
    uses.set(version, use);
  }
  return create(KeyUsageRecordSchema, { versions: [...uses.values()].sort((a, b) => a.version - b.version) });
}

/** The larger of two numbers. */
export function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
