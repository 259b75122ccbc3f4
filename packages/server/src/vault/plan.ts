import type { Change, RecordRef } from "./records.ts";

/**
 * A mutation that is worked out but not done. The pipeline commits its changes together with their audit entry, and
 * plans anew when somebody else was faster.
 */
export interface Plan<T> {
  readonly result: T;
  readonly changes: readonly Change[];
  /**
   * Whether what the plan rests on is still so, asked at the very moment of the commit; absent: the changes' own
   * conditions say it. A use of a key changes nothing, but must not be recorded after the key was disabled.
   */
  holds?(): boolean;
  /** Whether nothing is written after it: a checkpoint covers its entry before anybody is told. */
  readonly isLast?: boolean;
  /** Called once, after the commit, before anything else happens: caches follow the store. */
  committed(written: readonly (RecordRef | undefined)[]): void;
  /** Called at the end, committed or not: zeroes the plain content of the changes. */
  discard(): void;
}

/** The plan of a call that changes nothing. */
export const NOTHING: Plan<unknown> = { result: undefined, changes: [], committed: () => {}, discard: () => {} };

/** A plan after whose commit something else is done as well. */
export function thenDo<T>(plan: Plan<T>, done: () => void): Plan<T> {
  return {
    ...plan,
    committed(written) {
      plan.committed(written);
      done();
    },
  };
}

/** Two mutations in one commit. The result is the first's. */
export function both<T>(first: Plan<T>, second: Plan<unknown>): Plan<T> {
  const cut = first.changes.length;
  return {
    result: first.result,
    changes: [...first.changes, ...second.changes],
    holds: () => (first.holds?.() ?? true) && (second.holds?.() ?? true),
    committed(written) {
      first.committed(written.slice(0, cut));
      second.committed(written.slice(cut));
    },
    discard() {
      first.discard();
      second.discard();
    },
  };
}
