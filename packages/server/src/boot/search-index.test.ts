import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { encodeEntry } from "../audit/entry.ts";
import { type AuditFilter, AuditReader } from "../audit/reader.ts";
import { auditBatches, removePruned } from "../pipeline/audit-batches.ts";
import { StoreUnavailable } from "../store/store.ts";
import { testVault } from "./test-vault.ts";
import { openOrCreate, type Unsealed } from "./unseal.ts";

const LOT = 4096;
const START = Date.UTC(2026, 10, 29);
const SECOND = 1_000;
const CALLERS = ["aa", "bb", "cc"];

/** Entry `i`: of a second each, and every tenth some seconds late. */
function entryOf(i: number): Buffer {
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
async function grow({ committer, log }: Unsealed, size: number): Promise<void> {
  for (let count = 1; log.frontier.size < size; count = (count * 3) % 257) {
    const first = log.frontier.size;
    const entries = Array.from({ length: Math.min(count, size - first) }, (_, i) => entryOf(first + i));
    await Promise.all(entries.map((entry) => committer.submit(entry)));
  }
}

interface Searched {
  /** By the index; how many lots' entries it had to look at is what `lag` says. */
  readonly search: AuditReader;
  /** Looks at all entries. */
  readonly scan: AuditReader;
  /** How many batches the search has read. */
  readonly read: { count: number };
}

function readersOf({ vault, log, index }: Unsealed): Searched {
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
    async holding(indexes) {
      const held = await batches.holding(indexes);
      read.count += held.length;
      return held;
    },
  };
  return {
    search: new AuditReader({ batches: counted, log, index, pruned }),
    scan: new AuditReader({ batches, log, pruned }),
    read,
  };
}

/** Begins the index's work, and waits until it is done. */
async function indexed(context: TestContext, { index }: Unsealed): Promise<void> {
  context.after(() => index.stop());
  index.start((error) => assert.fail(String(error)));
  await index.idle();
}

/** All pages of a search. */
async function indexes(reader: AuditReader, filter: AuditFilter, limit = 1000): Promise<readonly number[]> {
  const found: number[] = [];
  let before: number | undefined;
  do {
    const page = await reader.list(filter, before, limit);
    found.push(...page.entries.map(({ index }) => index));
    before = page.next;
  } while (before !== undefined);
  return found;
}

/** The records of the index as they lie in the store. */
async function shardsOf({ store }: Awaited<ReturnType<typeof testVault>>) {
  return store.list("audit-index", { limit: 10_000 });
}

test("a search by the index finds what a look at all entries finds, page by page, for any filter", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, 3 * LOT + 1000);
  await vault.index.idle();
  const { search, scan } = readersOf(vault);
  const size = vault.log.frontier.size;
  const time = fc.option(
    fc.integer({ min: -2 * LOT, max: size + LOT }).map((i) => START + i * SECOND),
    { nil: undefined },
  );
  const filters = fc.record(
    {
      resource: fc.constantFrom("key/rare", "key/late", "key/common", "key/none"),
      identity: fc.constantFrom("aa", "service bb", "cc", "nobody"),
      outcome: fc.constantFrom("ok", "not_found"),
      operation: fc.constantFrom("keys.encrypt", "keys.sign"),
      since: time,
      until: time,
    },
    { requiredKeys: [] },
  );
  const given = (filter: Record<string, unknown>): AuditFilter =>
    Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
  await fc.assert(
    fc.asyncProperty(
      filters,
      fc.integer({ min: 1, max: size }),
      fc.integer({ min: 1, max: 300 }),
      async (f, before, limit) => {
        const filter = given(f);
        const [found, wanted] = [await search.list(filter, before, limit), await scan.list(filter, before, limit)];
        assert.deepEqual(found.entries, wanted.entries);
        assert.deepEqual([found.size, found.pruned, found.root], [wanted.size, wanted.pruned, wanted.root]);
        // It may know sooner that there is nothing older, never later.
        const rest = found.next === undefined ? [] : (await search.list(filter, found.next, 5)).entries;
        const wantedRest = wanted.next === undefined ? [] : (await scan.list(filter, wanted.next, 5)).entries;
        assert.deepEqual(rest, wantedRest);
      },
    ),
    { numRuns: 60 },
  );
});

test("a search reads the batches of what it finds and no others, of the newest lot as well", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, 2 * LOT + 2000);
  await vault.index.idle();
  assert.equal(vault.index.lag, 0);
  const { search, read } = readersOf(vault);
  const found = await indexes(search, { resource: "key/rare" });
  assert.deepEqual(
    found,
    Array.from({ length: 11 }, (_, i) => 10_001 - 1000 * i).filter((i) => i < 2 * LOT + 2000),
  );
  assert.equal(read.count, found.length);
  assert.deepEqual(await indexes(search, { resource: "key/none" }), []);
  assert.equal(read.count, found.length);
});

test("after a start the newest lot is read back, and lots without records get theirs, the newest first", async (context) => {
  const first = await testVault();
  // Nobody made any records: as of a vault from before there was an index.
  await grow(first, 3 * LOT + 10);
  assert.deepEqual(await shardsOf(first), []);
  const made: string[] = [];
  first.store.beforeCommit = () => void made.push("");
  const vault = { ...(await openOrCreate(first.store, first.seal())), store: first.store };
  assert.equal(vault.index.lag, vault.log.frontier.size);
  const { search, scan, read } = readersOf(vault);
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), await indexes(scan, { resource: "key/rare" }));
  await indexed(context, vault);
  assert.equal(vault.index.lag, 0);
  const revisions = new Map((await shardsOf(first)).map(({ path, revision }) => [path, revision]));
  assert.equal(revisions.size, 3 * 16);
  const of = (lot: number) => revisions.get(`main/${lot.toString(16).padStart(16, "0")}/0`) as number;
  assert.ok(of(2) < of(1) && of(1) < of(0));
  read.count = 0;
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), await indexes(scan, { resource: "key/rare" }));
  assert.equal(read.count, 13);
});

test("records that are lost, damaged, or put back from another log hide nothing, and are made again", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, 2 * LOT);
  await vault.index.idle();
  const { search, scan, read } = readersOf(vault);
  const filter = { resource: "key/rare" };
  const wanted = await indexes(scan, filter);
  const before = await shardsOf(vault);
  const spoilt = (how: (value: Uint8Array, i: number) => Uint8Array | null) =>
    before.map(({ value }, i) => how(value, i));
  for (const values of [
    spoilt(() => null),
    spoilt((value) => Buffer.from(value).fill(1, 30, 31)),
    spoilt((value) => value.subarray(0, 20)),
    // Records of one lot in the place of the other's, and of one term's in the place of another's.
    spoilt((_, i) => before[(i + 16) % 32]?.value ?? null),
    spoilt((_, i) => before[i ^ 1]?.value ?? null),
  ]) {
    const now = await shardsOf(vault);
    await vault.store.commit(
      now.map(({ path, revision }, i) => ({
        table: "audit-index",
        path,
        value: values[i] ?? null,
        expected: revision,
      })),
    );
    assert.deepEqual(await indexes(search, filter), wanted);
    await vault.index.idle();
    read.count = 0;
    assert.deepEqual(await indexes(search, filter), wanted);
    assert.equal(read.count, wanted.length);
    assert.equal((await shardsOf(vault)).length, 32);
  }
});

test("a record that is of other entries than the log has is not believed", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, LOT + 1);
  await vault.index.idle();
  const { search, scan } = readersOf(vault);
  const { known } = vault.tree;
  const wanted = await indexes(scan, { resource: "key/rare" });
  // As if the log had been another one when the record was made.
  vault.tree.known = async (level, index) => (await known.call(vault.tree, level, index)).toReversed();
  assert.deepEqual(await indexes(search, { resource: "key/nobody" }), []);
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), wanted);
  vault.tree.known = async () => [];
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), wanted);
  assert.ok(vault.index.lag >= LOT);
});

test("what reached the log by a commit that seemed to fail is found", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  for (const size of [1000, LOT]) {
    await grow(vault, size - 2);
    vault.store.afterCommit = () => {
      throw new StoreUnavailable("the answer was lost");
    };
    const lost = Array.from({ length: 4 }, (_, i) => vault.committer.submit(entryOf(10_001 + 1000 * i)));
    assert.ok((await Promise.allSettled(lost)).every(({ status }) => status === "rejected"));
    vault.store.afterCommit = () => {};
    await grow(vault, size + 10);
    await vault.index.idle();
    const { search, scan, read } = readersOf(vault);
    const wanted = await indexes(scan, { resource: "key/rare" });
    assert.ok(wanted.includes(size - 2) && wanted.includes(size + 1));
    assert.deepEqual(await indexes(search, { resource: "key/rare" }), wanted);
    assert.equal(vault.index.lag, 0);
    assert.ok(read.count <= wanted.length);
  }
});

test("while records cannot be written, searches go on from memory, and it is said once", async (context) => {
  const vault = await testVault();
  const failures: unknown[] = [];
  context.after(() => vault.index.stop());
  vault.index.start((error) => failures.push(error));
  await grow(vault, LOT - 1);
  await vault.index.idle();
  vault.store.beforeListRevisions = (table) => {
    if (table === "audit-index") {
      throw new StoreUnavailable("the disk is full");
    }
  };
  await grow(vault, 2 * LOT + 5);
  await vault.index.idle();
  assert.equal(failures.length, 1);
  assert.equal(vault.index.lag, 0);
  assert.deepEqual(await shardsOf(vault), []);
  const { search, scan } = readersOf(vault);
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), await indexes(scan, { resource: "key/rare" }));
});

test("the records of pruned entries are removed, and those of a lot that is pruned in part serve its rest", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, 2 * LOT + 300);
  await vault.index.idle();
  const current = { ...vault.vault.retention.current, pruned: LOT + 512 };
  Object.defineProperty(vault.vault.retention, "current", { value: current });
  const { records } = vault.vault;
  const { search, read } = readersOf(vault);
  while (await removePruned(records, LOT + 512)) {
    // Until none is left.
  }
  assert.deepEqual(
    [...new Set((await shardsOf(vault)).map(({ path }) => path.slice(0, -2)))],
    [`main/${"0".repeat(15)}1`],
  );
  const wanted = [8001, 7001, 6001, 5001];
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), wanted);
  assert.equal(read.count, wanted.length);
  // It is made again from what is left.
  const [one] = await shardsOf(vault);
  await vault.store.commit([
    { table: "audit-index", path: one?.path ?? "", value: null, expected: one?.revision ?? 0 },
  ]);
  const again = await openOrCreate(vault.store, vault.seal());
  Object.defineProperty(again.vault.retention, "current", { value: current });
  await indexed(context, again);
  assert.equal((await shardsOf(vault)).length, 16);
  const readers = readersOf(again);
  assert.deepEqual(await indexes(readers.search, { resource: "key/rare" }), wanted);
  assert.equal(readers.read.count, wanted.length);
});
