import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { storeConformance } from "./conformance.ts";
import { operations, transcriptOf } from "./conformance-operations.ts";
import { openMemoryStore } from "./memory.ts";
import { openSqliteStore } from "./sqlite.ts";
import type { Store, Write } from "./store.ts";

const soak = process.env["BUNKMS_SOAK"] === "1";
const seed = Number(process.env["BUNKMS_TEST_SEED"] ?? Date.now() % 2 ** 31);
const sequences = soak ? 3_000 : 60;

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), "bunkms-sqlite-"));
});
after(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const newFolder = () => join(root, `${++folders}`);

storeConformance("SQLite", () => openSqliteStore(newFolder()), { sequences, seed });

async function reopened(store: Store, folder: string): Promise<Store> {
  await store.close();
  return openSqliteStore(folder);
}

test("the memory and SQLite stores answer one random sequence alike, answers and errors", async (t) => {
  t.diagnostic(`seed ${seed}, ${sequences} sequences`);
  await fc.assert(
    fc.asyncProperty(operations, async (sequence) => {
      const memory = openMemoryStore();
      const sqlite = await openSqliteStore(newFolder());
      try {
        assert.deepEqual(await transcriptOf(sqlite, sequence), await transcriptOf(memory, sequence));
      } finally {
        await Promise.all([memory.close(), sqlite.close()]);
      }
    }),
    { seed, numRuns: sequences },
  );
});

test("the SQLite store keeps all records over a restart", async () => {
  const folder = newFolder();
  let store = await openSqliteStore(folder);
  const values = [new Uint8Array(0), new Uint8Array(300).fill(7), new Uint8Array(700_000).fill(9)];
  await store.commit(values.map((value, i) => ({ table: "secret-value", path: `v/${i}`, value, expected: 0 })));
  const before = await store.list("secret-value", { limit: 10 });
  store = await reopened(store, folder);
  assert.deepEqual(await store.list("secret-value", { limit: 10 }), before);
  await store.close();
});

test("the SQLite store repeats no revision after a restart, though the record was deleted", async () => {
  const folder = newFolder();
  const seen = new Set<number>();
  for (let round = 1; round <= 5; round++) {
    const store = await openSqliteStore(folder);
    const [revision = 0] = await store.commit([{ table: "key", path: "a", value: new Uint8Array(1), expected: 0 }]);
    await store.commit([{ table: "key", path: "a", value: null, expected: revision }]);
    await store.close();
    seen.add(revision);
    assert.equal(seen.size, round);
  }
});

test("a conflict in the first commit of the SQLite store does not use up or repeat revisions", async () => {
  const folder = newFolder();
  const store = await openSqliteStore(folder);
  await assert.rejects(store.commit([{ table: "key", path: "a", value: new Uint8Array(1), expected: 5 }]));
  const [first = 0] = await store.commit([{ table: "key", path: "a", value: new Uint8Array(1), expected: 0 }]);
  const [second = 0] = await store.commit([{ table: "key", path: "b", value: new Uint8Array(1), expected: 0 }]);
  assert.deepEqual([first, second], [1, 2]);
  await store.close();
});

/** Overwrites a file in another process: if this one closed it, the locks of the store would be gone. */
const overwriteSource = `
  const { openSync, statSync, writeSync } = require("node:fs");
  const [, file] = process.argv;
  writeSync(openSync(file, "r+"), Buffer.alloc(statSync(file).size - 8192, 0xa5), 0, undefined, 8192);
`;

test("once the SQLite store has met a broken page it writes nothing more, and the next start refuses it", async () => {
  const folder = newFolder();
  const store = await openSqliteStore(folder);
  // More than the page cache holds, which would hide what happens to the file.
  const pathOf = (i: number) => `${i}`.padStart(6, "0");
  for (let commit = 0; commit < 25; commit++) {
    await store.commit(
      Array.from({ length: 1000 }, (_, i) => ({
        table: "audit" as const,
        path: pathOf(commit * 1000 + i),
        value: new Uint8Array(900),
        expected: 0,
      })),
    );
  }
  const write: Write = { table: "meta", path: "a", value: new Uint8Array(1), expected: 0 };
  const isDamaged = { name: "StoreUnavailable", message: "the database is damaged" };
  spawnSync(process.execPath, ["-e", overwriteSource, join(folder, "bunkms.db")], { stdio: "inherit" });
  await assert.rejects(async () => {
    for (let i = 0; i < 25_000; i++) {
      await store.get("audit", pathOf(i));
    }
  }, isDamaged);
  await assert.rejects(store.commit([write]), isDamaged);
  await assert.rejects(store.commit([{ ...write, table: "probe" }]), isDamaged);
  await store.close();
  await assert.rejects(openSqliteStore(folder), { name: "StoreRefused", reason: "damaged" });
});

test("the log of the SQLite store stays bounded, however much is written", async () => {
  const folder = newFolder();
  const store = await openSqliteStore(folder);
  let largest = 0;
  for (let i = 0; i < 300; i++) {
    await store.commit([
      { table: "audit", path: `${i}`.padStart(9, "0"), value: new Uint8Array(700_000), expected: 0 },
    ]);
    largest = Math.max(largest, statSync(join(folder, "bunkms.db-wal")).size);
  }
  assert.ok(largest < 16 * 1024 * 1024, `the log grew to ${largest} bytes`);
  await store.close();
});
