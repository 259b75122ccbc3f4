/** A load on the store that two processes can know alike: what commit n writes follows from n alone. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Store, StoredRecord, Table, Write } from "../../packages/server/src/store/store.ts";

/** Records that are made, changed and deleted again and again. */
const SLOTS = 40;

interface PlannedWrite {
  readonly table: Table;
  readonly path: string;
  /** Null to delete. */
  readonly value: Buffer | null;
}

/** A number below `limit` that follows from the commit and a label. */
function choose(n: number, label: string, limit: number): number {
  return createHash("sha256").update(`${n} ${label}`).digest().readUInt32BE() % limit;
}

/** A few bytes that name the commit, repeated. */
function filled(n: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `commit ${n}.`);
}

function auditPath(n: number): string {
  return `${n}`.padStart(12, "0");
}

/**
 * What commit `n` (from 1) writes: the count, one to 33 audit entries, and a slot that is set or emptied. One in
 * 50 has a value of 700 KB, so that a kill can hit the middle of a long write.
 */
function planCommit(n: number): readonly PlannedWrite[] {
  const entries = choose(n, "entries", 10) === 0 ? 33 : 1;
  const size = choose(n, "size", 50) === 0 ? 700_000 : 100 + choose(n, "bytes", 3000);
  return [
    { table: "meta", path: "head", value: Buffer.from(`${n}`) },
    ...Array.from(
      { length: entries },
      (_, i): PlannedWrite => ({
        table: "audit",
        path: `${auditPath(n)}/${`${i}`.padStart(2, "0")}`,
        value: filled(n, 300 + choose(n, `entry ${i}`, 400)),
      }),
    ),
    {
      table: "secret-value",
      path: `slot/${choose(n, "slot", SLOTS)}`,
      value: choose(n, "delete", 4) === 0 ? null : filled(n, size),
    },
  ];
}

/** The number of the last commit that the store holds; 0 if none. */
export async function headOf(store: Store): Promise<number> {
  const head = await store.get("meta", "head");
  return head === undefined ? 0 : Number(Buffer.from(head.value).toString());
}

/** Applies commit `n` as a server would: it reads what is there, then writes on condition of that. */
export async function applyCommit(store: Store, n: number): Promise<void> {
  const writes = await Promise.all(
    planCommit(n).map(async ({ table, path, value }): Promise<Write> => {
      return { table, path, value, expected: (await store.get(table, path))?.revision ?? 0 };
    }),
  );
  await store.commit(writes);
}

/**
 * Checks that the store holds exactly the first `head` commits, each of them whole.
 * @param context Is added to what a failure says.
 */
export async function assertHolds(store: Store, head: number, context: string): Promise<void> {
  const entries = new Map<string, Buffer>();
  const slots = new Map<string, Buffer>();
  for (let n = 1; n <= head; n++) {
    for (const { table, path, value } of planCommit(n)) {
      if (table === "audit" && value !== null) {
        entries.set(path, value);
      } else if (table === "secret-value") {
        value === null ? slots.delete(path) : slots.set(path, value);
      }
    }
  }
  assertSame(await allOf(store, "audit"), entries, `${context}: audit entries`);
  assertSame(await allOf(store, "secret-value"), slots, `${context}: slots`);
}

function assertSame(found: readonly StoredRecord[], expected: ReadonlyMap<string, Buffer>, context: string): void {
  assert.deepEqual(
    found.map(({ path }) => path),
    [...expected.keys()].sort(),
    context,
  );
  for (const { path, value } of found) {
    assert.ok(expected.get(path)?.equals(value), `${context}: ${path} has other bytes`);
  }
}

async function allOf(store: Store, table: Table): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (;;) {
    const after = records.at(-1)?.path;
    const page = await store.list(table, { limit: 1000, ...(after !== undefined && { after }) });
    if (page.length === 0) {
      return records;
    }
    records.push(...page);
  }
}
