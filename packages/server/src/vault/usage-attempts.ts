import { toBinary } from "@bufbuild/protobuf";
import { type KeyUsageRecord, KeyUsageRecordSchema } from "@bunkms/contract/record";
import { equal } from "../crypto/kdf.ts";
import type { RecordRef } from "./records.ts";

/** A record of usage to be written. */
export interface UsageWriting {
  readonly id: string;
  readonly record: KeyUsageRecord;
  /** What it replaces. */
  readonly ref: RecordRef | null;
  readonly payload: Uint8Array;
}

/** A record that was to be written by a flush, and the uses in it that were pending before. */
export interface UsageAttempt {
  readonly writing: UsageWriting;
  /** By version. */
  readonly counts: ReadonlyMap<number, number>;
  /** It is not going to be written any more, but may have been. */
  isOver: boolean;
  /** Its uses are no longer pending. */
  isCounted: boolean;
}

/** @throws Error when the record cannot be encoded. */
export function usageWriting(id: string, record: KeyUsageRecord, ref: RecordRef | null): UsageWriting {
  return { id, record, ref, payload: toBinary(KeyUsageRecordSchema, record) };
}

/**
 * Flushes of which nobody knows yet whether they were written, by id of the key: what the store holds tells. One of a key
 * is over before the next is made, so that there are more than one only while several flushes are under way.
 */
export class UsageAttempts {
  readonly #attempts = new Map<string, readonly UsageAttempt[]>();

  add(attempt: UsageAttempt): void {
    const { id } = attempt.writing;
    this.#attempts.set(id, [...(this.#attempts.get(id) ?? []), attempt]);
  }

  /** Whether there are attempts of which the store can tell for good what became of them. */
  areOver(id: string): boolean {
    return this.#attempts.get(id)?.every(({ isOver }) => isOver) ?? false;
  }

  /** Once another record took the place of what they were to replace, none of them was or will be written. */
  forget(id: string): void {
    this.#attempts.delete(id);
  }

  /**
   * Finds out what became of a key's attempts.
   * @param payload What the store holds.
   * @returns What was written although its commit seemed to fail, or has not told yet that it did not.
   */
  settle(id: string, payload: Uint8Array | undefined): UsageAttempt | undefined {
    const attempts = this.#attempts.get(id) ?? [];
    const isWritten = ({ writing }: UsageAttempt) => payload !== undefined && equal(writing.payload, payload);
    const [first, ...same] = attempts.filter(isWritten);
    for (const attempt of same) {
      // Only one of them can have been written, whichever it was.
      attempt.isCounted = true;
    }
    const left = first === undefined ? attempts.filter(({ isOver }) => !isOver) : [];
    if (left.length === 0) {
      this.#attempts.delete(id);
    } else {
      this.#attempts.set(id, left);
    }
    return first;
  }
}
