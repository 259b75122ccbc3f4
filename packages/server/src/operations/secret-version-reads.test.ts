import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { FaultyStore } from "../boot/test-vault.ts";
import type { StoredRecord, Table } from "../store/store.ts";

const NAME = "prod/db";
let store: FaultyStore;
let calls: TestCalls;

beforeEach(async () => {
  store = new FaultyStore();
  calls = await testCalls(store);
});

const put = (value: string, options: JsonObject = {}) => calls.call("secrets.put", { name: NAME, value, ...options });
const read = (version = 0) => calls.code("secrets.get", { name: NAME, version });
const destroy = (version: number) => calls.call("secrets.destroy_version", { name: NAME, version });
const records = (table: Table): Promise<readonly StoredRecord[]> => store.list(table, { limit: 10 });

test("REQ-15 a destroyed version is not read again when its value is put back into the store, be it the latest or not", async () => {
  await put("one");
  await put("two");
  const old = await records("secret-value");
  await destroy(1);
  await destroy(2);
  await store.commit(old.map(({ path, value }) => ({ table: "secret-value", path, value, expected: 0 })));
  for (const version of [0, 1, 2]) {
    assert.equal(await read(version), "not_found");
  }
  await put("three");
  assert.deepEqual([await read(), await read(1), await read(2)], ["ok", "not_found", "not_found"]);
});

test("a version whose record or value is lost is no version that is not there: its reading fails", async () => {
  for (const table of ["secret-version", "secret-value"] as const) {
    await put("one");
    await put("two");
    const [first] = (await records(table)) as [StoredRecord];
    await store.commit([{ table, path: first.path, value: null, expected: first.revision }]);
    assert.deepEqual([await read(1), await read(2), await read(3)], ["internal", "ok", "not_found"], table);
    await calls.call("secrets.delete", { name: NAME });
  }
});

test("values that are stored while another is read do not disturb it, however many", async () => {
  await put("first");
  const { get } = store;
  let puts = 0;
  store.get = async (table, path) => {
    const record = await get(table, path);
    if (table === "secret-value") {
      puts += 1;
      await put(`value ${puts}`);
    }
    return record;
  };
  assert.equal((await calls.call("secrets.get", { name: NAME }))["value"], "first");
  assert.equal((await calls.call("secrets.get", { name: NAME, version: 1 }))["value"], "first");
  assert.equal(puts, 2);
});

test("a version that is read in the commit that destroys it was read before", async () => {
  for (const version of [1, 2]) {
    await put("one");
    await put("two");
    const commits = store.commits;
    const request = { name: NAME, version };
    const destroyed = calls.code("secrets.destroy_version", request);
    // So long as it is worked out, but not until the next turn of the event loop, which begins the commit.
    for (let i = 0; i < 100; i += 1) {
      await undefined;
    }
    assert.deepEqual([await calls.code("secrets.get", request), await destroyed], ["ok", "ok"]);
    assert.equal(store.commits, commits + 1);
    const { entries } = await calls.call("audit.list", { page_size: 2 });
    const newest = (entries as JsonObject[]).map(({ operation }) => operation);
    assert.deepEqual(newest, ["secrets.destroy_version", "secrets.get"]);
    await calls.call("secrets.delete", { name: NAME });
  }
});
