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
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    await put("one");
    await put("two");
    const old = await records("secret-value");
    for (const version of order) {
      await destroy(version);
    }
    await store.commit(old.map(({ path, value }) => ({ table: "secret-value", path, value, expected: 0 })));
    for (const version of [0, 1, 2]) {
      assert.equal(await read(version), "not_found");
    }
    await put("three");
    assert.deepEqual([await read(), await read(1), await read(2)], ["ok", "not_found", "not_found"]);
    await calls.call("secrets.delete", { name: NAME });
  }
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

/** Does something each time before or after a value is read. */
function onEachValueRead(when: "before" | "after", act: () => Promise<unknown>): { times: number } {
  const { get } = store;
  const counted = { times: 0 };
  store.get = async (table, path) => {
    if (table !== "secret-value") {
      return get(table, path);
    }
    counted.times += 1;
    if (when === "before") {
      await act();
    }
    const record = await get(table, path);
    if (when === "after") {
      await act();
    }
    return record;
  };
  return counted;
}

/** Does something once, after a value is read. @returns What undoes that, and makes sure that it was done. */
function meanwhile(act: () => Promise<unknown>): () => void {
  const { get } = store;
  let done: Promise<unknown> | undefined;
  const reads = onEachValueRead("after", () => (done ??= act()));
  return () => {
    assert.notEqual(reads.times, 0);
    store.get = get;
  };
}

test("a version that is read while it is destroyed does not leave after that is on record, and others do", async () => {
  for (const value of ["value 1", "value 2", "value 3"]) {
    await put(value);
  }
  let restore = meanwhile(() => destroy(1));
  assert.equal(await read(1), "not_found");
  restore();
  restore = meanwhile(() => put("value 4", { max_versions: 2 }));
  assert.equal(await read(2), "not_found");
  restore();
  restore = meanwhile(() => destroy(3));
  assert.equal((await calls.call("secrets.get", { name: NAME, version: 4 }))["value"], "value 4");
  restore();
});

test("what is stored or destroyed while another version is read does not disturb that, however much it is", async () => {
  await put("first");
  await put("second");
  await put("third");
  const puts = onEachValueRead("after", () => put("more"));
  assert.equal((await calls.call("secrets.get", { name: NAME }))["value"], "third");
  assert.equal((await calls.call("secrets.get", { name: NAME, version: 1 }))["value"], "first");
  assert.equal(puts.times, 2);
  const destructions = onEachValueRead("after", () => destroy(2));
  assert.equal((await calls.call("secrets.get", { name: NAME, version: 1 }))["value"], "first");
  assert.equal(destructions.times, 1);
});

test("a latest version that falls out before its value is read gives way to the next one, and a destroyed one to none", async () => {
  await put("one", { max_versions: 1 });
  let isPut = false;
  onEachValueRead("before", async () => {
    if (!isPut) {
      isPut = true;
      await put("two");
    }
  });
  assert.equal((await calls.call("secrets.get", { name: NAME }))["value"], "two");
  onEachValueRead("before", () => destroy(2));
  assert.equal(await read(), "not_found");
  assert.deepEqual(calls.failures, []);
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
