import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { encodeEntry } from "../audit/entry.ts";
import { type AuditFilter, AuditReader } from "../audit/reader.ts";
import { auditBatches } from "../pipeline/audit-batches.ts";
import type { StoredRecord, Table } from "../store/store.ts";
import type { testVault } from "./test-vault.ts";
import type { Unsealed } from "./unseal.ts";

export const LOT = 4096;
export const START = Date.UTC(2026, 10, 29);
export const SECOND = 1_000;
const CALLERS = ["aa", "bb", "cc"];

/** Entry `i`: of a second each, and every tenth some seconds late. */
export function entryOf(i: number): Buffer {
  const id = CALLERS[i % 3] as string;
  return encodeEntry({
    time: START + i * SECOND - (i % 10 === 9 ? 30 * SECOND : 0),
    requestId: String(i),
    ...(i % 7 === 0 ? {} : { identity: { id, name: `service ${id}`, role: "user" } }),
    operation: "keys.encrypt",
    // Few entries, a fifth of them, most of the rest, and a key that some lots do not have.
    resource: i % 1000 === 1 ? "key/rare" : i % 5 === 0 ? "" : i >= LOT && i < 2 * LOT ? "key/late" : "key/common",
    outcome: i % 2 === 0 ? "ok" : "not_found",
    source: "127.0.0.1",
    transport: "rest",
    request: {},
    response: {},
  });
}

/** Appends entries in batches of many sizes. */
export async function grow({ committer, log }: Unsealed, size: number): Promise<void> {
  for (let count = 1; log.frontier.size < size; count = (count * 3) % 257) {
    const first = log.frontier.size;
    const entries = Array.from({ length: Math.min(count, size - first) }, (_, i) => entryOf(first + i));
    await Promise.all(entries.map((entry) => committer.submit(entry)));
  }
}

export interface Searched {
  /** By the index; how many lots' entries it had to look at is what `lag` says. */
  readonly search: AuditReader;
  /** Looks at all entries. */
  readonly scan: AuditReader;
  /** How many batches the search has read. */
  readonly read: { count: number };
}

export function readersOf({ vault, log, index }: Unsealed): Searched {
  const batches = auditBatches(vault.records);
  const pruned = () => vault.retention.current.pruned;
  const read = { count: 0 };
  const counted: typeof batches = {
    async *newestFirst(before) {
      for await (const batch of batches.newestFirst(before)) {
        read.count += 1;
        yield batch;
      }
    },
    async *holding(indexes) {
      for await (const batch of batches.holding(indexes)) {
        read.count += 1;
        yield batch;
      }
    },
  };
  return {
    search: new AuditReader({ batches: counted, log, index, pruned }),
    scan: new AuditReader({ batches, log, pruned }),
    read,
  };
}

/** Begins the index's work, and waits until it is done. */
export async function indexed(context: TestContext, { index }: Unsealed): Promise<void> {
  context.after(() => index.stop());
  index.start((error) => assert.fail(String(error)));
  await index.idle();
}

/** All pages of a search. */
export async function indexes(reader: AuditReader, filter: AuditFilter, limit = 1000): Promise<readonly number[]> {
  const found: number[] = [];
  let before: number | undefined;
  do {
    const page = await reader.list(filter, before, limit);
    found.push(...page.entries.map(({ index }) => index));
    before = page.next;
  } while (before !== undefined);
  return found;
}

/** A record of a vault under test, spoilt. */
export async function spoil(
  { store }: Awaited<ReturnType<typeof testVault>>,
  table: Table,
  after: string,
): Promise<void> {
  const [record] = await store.list(table, { after, limit: 1 });
  const { path, revision, value } = record as StoredRecord;
  await store.commit([
    { table, path, value: value.map((byte, i) => (i === value.length - 1 ? byte ^ 1 : byte)), expected: revision },
  ]);
}

/** The records of the index as they lie in the store. */
export async function shardsOf({ store }: Awaited<ReturnType<typeof testVault>>) {
  return store.list("audit-index", { limit: 10_000 });
}
