import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AuditFilter } from "../audit/reader.ts";
import { tileRecord } from "../pipeline/audit-batches.ts";
import { StoreUnavailable } from "../store/store.ts";
import { RecordDamaged } from "../vault/record.ts";
import { entryOf, grow, indexed, indexes, LOT, readersOf, SECOND, START, spoil } from "./test-search.ts";
import { testVault } from "./test-vault.ts";

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

test("an entry that the log goes on with, and the index was not told of yet, is found", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  await grow(vault, 2);
  const { log } = vault;
  const batch = log.prepare([entryOf(1001)], 0);
  await vault.vault.records.commit([], { ...batch, asides: batch.tiles.map(tileRecord) });
  log.adopt(batch.end);
  const { search } = readersOf(vault);
  assert.deepEqual(await indexes(search, { resource: "key/rare" }), [2, 1]);
});

test("a damaged batch is met by who needs it, not by a page before it", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  for (let i = 1; i <= 60; i++) {
    await vault.committer.submit(entryOf(1_000 * i + 1));
  }
  const last = (index: number): string => `main/${index.toString(16).padStart(16, "0")}`;
  await spoil(vault, "audit", last(49));
  const { search } = readersOf(vault);
  const page = await search.list({ resource: "key/rare" }, undefined, 5);
  assert.deepEqual(
    page.entries.map(({ index }) => index),
    [60, 59, 58, 57, 56],
  );
  const next = await search.list({ resource: "key/rare" }, page.next, 5);
  assert.deepEqual(
    next.entries.map(({ index }) => index),
    [55, 54, 53, 52, 51],
  );
  await assert.rejects(search.list({ resource: "key/rare" }, next.next, 5), RecordDamaged);
  assert.equal((await search.list({ resource: "key/rare" }, 50, 5)).entries[0]?.index, 49);
});

test("one call opens no more batches than a look at all entries takes, and says where to go on", async (context) => {
  const vault = await testVault();
  await indexed(context, vault);
  // One entry of the key in each batch, none of which fits.
  const uses = Array.from({ length: 256 }, (_, i) => entryOf(i === 100 ? 1 : 4));
  for (let batch = 0; batch < 640; batch++) {
    await Promise.all(uses.map((entry) => vault.committer.submit(entry)));
  }
  await vault.index.idle();
  const { search, read } = readersOf(vault);
  const filter = { resource: "key/rare", outcome: "nothing" };
  const page = await search.list(filter, undefined, 5);
  assert.ok(page.next !== undefined && read.count > 300 && read.count < 640);
  assert.deepEqual(await indexes(search, filter), []);
  assert.equal((await indexes(search, { resource: "key/rare" })).length, 640);
});
