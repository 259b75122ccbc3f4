import assert from "node:assert/strict";
import { test } from "node:test";
import { secretKey } from "../crypto/keys.ts";
import { XaesKey } from "../crypto/xaes.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store, Table } from "../store/store.ts";
import { sealRecord } from "./record.ts";
import { Resealing } from "./resealing.ts";

const CLUSTER = Buffer.alloc(16, 1);
const KEY = new XaesKey(secretKey(Buffer.alloc(32, 2)));
const RECORDS = 10;

/** How many records of a table a page of it has, and how many were sealed anew in the end. */
async function resealed(table: Table): Promise<{ readonly largest: number; readonly all: number }> {
  const store = openMemoryStore();
  for (let i = 0; i < RECORDS; i++) {
    const path = `r/${i}`;
    const value = sealRecord(KEY, 1, { cluster: CLUSTER, table, path, version: 1 }, Buffer.from("content"));
    await store.commit([{ table, path, value, expected: 0 }]);
  }
  let largest = 0;
  const watched: Store = {
    get: (...asked) => store.get(...asked),
    getMany: (...asked) => store.getMany(...asked),
    listRevisions: (...asked) => store.listRevisions(...asked),
    list: (...asked) => store.list(...asked),
    commit: (writes) => {
      largest = Math.max(largest, writes.length);
      return store.commit(writes);
    },
    close: () => store.close(),
  };
  const resealing = new Resealing(watched);
  let all = 0;
  let after: string | undefined;
  do {
    const page = await resealing.next(table, after, 2, ({ path }) =>
      sealRecord(KEY, 2, { cluster: CLUSTER, table, path, version: 1 }, Buffer.from("content")),
    );
    all += page.resealed;
    after = page.after;
  } while (after !== undefined);
  return { largest, all };
}

test("of records that may be large a few are sealed anew at once, of others many, and all in the end", async () => {
  assert.deepEqual(await resealed("attachment-part"), { largest: 4, all: RECORDS });
  assert.deepEqual(await resealed("secret-value"), { largest: 4, all: RECORDS });
  assert.deepEqual(await resealed("key"), { largest: RECORDS, all: RECORDS });
});
