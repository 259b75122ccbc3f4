import type { Change, RecordRef } from "./records.ts";

/**
 * A mutation that is worked out but not done. The pipeline commits its changes together with their audit entry, and
 * plans anew when somebody else was faster.
 */
export interface Plan<T> {
  readonly result: T;
  readonly changes: readonly Change[];
  /** Called once, after the commit, before anything else happens: caches follow the store. */
  committed(written: readonly (RecordRef | undefined)[]): void;
  /** Called at the end, committed or not: zeroes the plain content of the changes. */
  discard(): void;
}
