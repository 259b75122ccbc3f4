import type { StoredRecord } from "./store.ts";

/** A listing as it goes through a port: a value's memory costs more to hand over than a value. */
export interface PackedListing {
  readonly paths: readonly string[];
  readonly revisions: readonly number[];
  /** Where each value ends in `values`; it begins where the one before it ends. */
  readonly ends: readonly number[];
  readonly values: Uint8Array<ArrayBuffer>;
}

/** Copies the values into one piece of memory. */
export function packListing(records: readonly StoredRecord[]): PackedListing {
  const paths: string[] = [];
  const revisions: number[] = [];
  const ends: number[] = [];
  let length = 0;
  for (const { path, value, revision } of records) {
    length += value.byteLength;
    paths.push(path);
    revisions.push(revision);
    ends.push(length);
  }
  const values = new Uint8Array(length);
  let at = 0;
  for (const { value } of records) {
    values.set(value, at);
    at += value.byteLength;
  }
  return { paths, revisions, ends, values };
}

/** The records again; their values are views of the one piece of memory. */
export function unpackListing({ paths, revisions, ends, values }: PackedListing): readonly StoredRecord[] {
  let begin = 0;
  return paths.map((path, i) => {
    const end = ends[i] as number;
    const value = values.subarray(begin, end);
    begin = end;
    return { path, value, revision: revisions[i] as number };
  });
}
