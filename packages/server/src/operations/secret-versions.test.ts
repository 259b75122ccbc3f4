import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { create, fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { SecretRecordSchema } from "@bunkms/contract/record";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { FaultyStore } from "../boot/test-vault.ts";
import type { Table } from "../store/store.ts";
import type { Change } from "../vault/records.ts";

const NAME = "prod/db";
let store: FaultyStore;
let calls: TestCalls;

beforeEach(async () => {
  store = new FaultyStore();
  calls = await testCalls(store);
});

const put = (value: string, options: JsonObject = {}) => calls.call("secrets.put", { name: NAME, value, ...options });
const get = async (version = 0) => (await calls.call("secrets.get", { name: NAME, version }))["value"];
const refused = (version = 0) => calls.code("secrets.get", { name: NAME, version });
const destroy = (version: number) => calls.call("secrets.destroy_version", { name: NAME, version });
const kept = async (): Promise<readonly JsonObject[]> =>
  (await calls.call("secrets.list_versions", { name: NAME }))["versions"] as JsonObject[];
const states = async () => (await kept()).map(({ version, state }) => `${version} ${state}`);
const records = async (table: Table) => (await store.list(table, { limit: 1000 })).length;

async function putMany(count: number, options: JsonObject = {}): Promise<void> {
  for (let i = 1; i <= count; i += 1) {
    await put(`value ${i}`, options);
  }
}

test("each version is read by its number, with the time at which it was stored", async () => {
  const times: string[] = [];
  for (const value of ["one", "two", "three"]) {
    calls.now += 60_000;
    times.push((await put(value))["updated_at"] as string);
  }
  assert.equal(new Set(times).size, 3);
  for (const [i, value] of ["one", "two", "three"].entries()) {
    const read = await calls.call("secrets.get", { name: NAME, version: i + 1 });
    assert.deepEqual(read, {
      ...{ name: NAME, version: i + 1, created_at: times[0], updated_at: times[i], value },
      value_b64: Buffer.from(value).toString("base64"),
    });
  }
  assert.equal(await get(), "three");
  const versions = times.map((created_at, i) => ({ version: i + 1, created_at, state: "enabled" }));
  assert.deepEqual(await kept(), versions);
  for (const version of [4, 4_294_967_295]) {
    assert.equal(await refused(version), "not_found");
    assert.equal(await calls.code("secrets.destroy_version", { name: NAME, version }), "not_found");
  }
  for (const action of ["secrets.get", "secrets.list_versions", "secrets.destroy_version"]) {
    assert.equal(
      await calls.code(action, { name: "none", ...(action.endsWith("n") ? { version: 1 } : {}) }),
      "not_found",
    );
  }
});

test("a new secret keeps 100 versions: those before are destroyed with their values", async () => {
  await putMany(100);
  assert.equal((await put("value 101"))["oldest_version"], 2);
  await put("value 102");
  assert.deepEqual([await records("secret-version"), await records("secret-value")], [100, 100]);
  assert.deepEqual((await states()).slice(0, 1), ["3 enabled"]);
  for (const version of [1, 2]) {
    assert.equal(await refused(version), "not_found");
  }
  assert.deepEqual([await get(3), await get()], ["value 3", "value 102"]);
});

test("how many versions are kept is told with a value, and stays", async () => {
  await putMany(5);
  const put6 = await put("value 6", { max_versions: 2 });
  assert.deepEqual([put6["version"], put6["max_versions"], put6["oldest_version"]], [6, 2, 5]);
  await put("value 7");
  assert.deepEqual(await states(), ["6 enabled", "7 enabled"]);
  assert.deepEqual([await records("secret-version"), await records("secret-value")], [2, 2]);
  await put("value 8", { max_versions: 1000 });
  assert.deepEqual(await states(), ["6 enabled", "7 enabled", "8 enabled"]);
  const { secrets } = await calls.call("secrets.list", {});
  assert.deepEqual(
    (secrets as JsonObject[]).map(({ max_versions, oldest_version }) => [max_versions, oldest_version]),
    [[1000, 6]],
  );
  assert.equal(await calls.code("secrets.put", { name: NAME, value: "x", max_versions: 1001 }), "invalid_request");
  assert.equal((await kept()).length, 3);
});

test("a secret of before versions were numbered in its record has all of them, until the next value leaves the last 100", async () => {
  await putMany(103, { max_versions: 1000 });
  const { vault, committer } = calls.unsealed;
  const next = await vault.secrets.put(NAME, Buffer.of(), 0);
  const [written] = next.changes as readonly [Change];
  const record = fromBinary(SecretRecordSchema, written.payload as Uint8Array);
  const old = create(SecretRecordSchema, { ...record, latestVersion: 103, oldestVersion: 0, maxVersions: 0 });
  const change = { ...written, payload: toBinary(SecretRecordSchema, old) };
  await committer.submit(Buffer.from("{}"), { ...next, changes: [change], committed: () => {} });
  await vault.secrets.load();

  const [listed] = (await calls.call("secrets.list", {}))["secrets"] as [JsonObject];
  assert.deepEqual([listed["version"], listed["oldest_version"], listed["max_versions"]], [103, 1, 100]);
  assert.deepEqual([(await kept()).length, await get(1), await get(103)], [103, "value 1", "value 103"]);
  const put104 = await put("value 104");
  assert.deepEqual([put104["oldest_version"], put104["max_versions"]], [5, 100]);
  assert.deepEqual([(await kept()).length, await refused(4), await get(5)], [100, "not_found", "value 5"]);
  assert.deepEqual([await records("secret-version"), await records("secret-value")], [100, 100]);
});

test("many versions that are destroyed at once are asked for together, whether they have a value or not", async () => {
  await putMany(60);
  await destroy(3);
  const asked: Table[] = [];
  store.beforeListRevisions = (table) => asked.push(table);
  await put("value 61", { max_versions: 2 });
  assert.ok(asked.filter((table) => table === "secret-value").length <= 3);
  assert.deepEqual(await states(), ["60 enabled", "61 enabled"]);
  assert.deepEqual([await records("secret-version"), await records("secret-value")], [2, 2]);
});

test("a value is stored only if the latest version is the one that its writer knows", async () => {
  assert.equal(await calls.code("secrets.put", { name: NAME, value: "x", if_version: 1 }), "version_mismatch");
  assert.equal(await refused(), "not_found");
  await put("one", { if_version: 0 });
  for (const if_version of [0, 2]) {
    assert.equal(await calls.code("secrets.put", { name: NAME, value: "x", if_version }), "version_mismatch");
  }
  assert.deepEqual([(await put("two", { if_version: 1 }))["version"], await get()], [2, "two"]);
  const writers = ["a", "b", "c"].map((value) => calls.code("secrets.put", { name: NAME, value, if_version: 2 }));
  assert.deepEqual((await Promise.all(writers)).sort(), ["ok", "version_mismatch", "version_mismatch"]);
  assert.equal((await kept()).length, 3);
});

test("a destroyed version's value is gone, and the version is still told of", async () => {
  await putMany(3);
  const [, second] = await kept();
  const destroyed = await destroy(2);
  assert.deepEqual(destroyed, { ...second, state: "destroyed" });
  assert.deepEqual((await kept())[1], destroyed);
  assert.deepEqual(await states(), ["1 enabled", "2 destroyed", "3 enabled"]);
  assert.equal(await refused(2), "not_found");
  assert.deepEqual([await get(1), await get(3), await records("secret-value")], ["value 1", "value 3", 2]);
  const written = await store.list("secret-version", { limit: 3 });
  assert.deepEqual(await destroy(2), destroyed);
  assert.deepEqual(await store.list("secret-version", { limit: 3 }), written);
  await destroy(3);
  assert.equal(await refused(), "not_found");
  assert.equal(await calls.code("secrets.import", IMPORT), "already_exists");
  assert.equal((await put("value 4"))["version"], 4);
  assert.equal(await get(), "value 4");
  assert.equal(await calls.code("secrets.destroy_version", { name: NAME, version: 0 }), "invalid_request");
});

const IMPORT = { name: NAME, value_b64: "", created_at: "2024-03-05T06:07:08.009Z" };

test("an import of a secret whose only version was destroyed does not bring it back", async () => {
  await calls.call("secrets.import", IMPORT);
  await destroy(1);
  assert.equal(await calls.code("secrets.import", IMPORT), "already_exists");
  assert.deepEqual(await states(), ["1 destroyed"]);
});

test("a destroyed version leaves with the others, and a deleted secret begins anew", async () => {
  await putMany(4, { max_versions: 3 });
  await destroy(2);
  await put("value 5");
  assert.deepEqual(await states(), ["3 enabled", "4 enabled", "5 enabled"]);
  await destroy(4);
  await calls.call("secrets.delete", { name: NAME });
  assert.deepEqual([await records("secret-version"), await records("secret-value")], [0, 0]);
  const again = await put("new");
  assert.deepEqual([again["version"], again["oldest_version"], again["max_versions"]], [1, 1, 100]);
});

test("many who store, read and destroy at once leave just the versions that are kept", async () => {
  await put("first", { max_versions: 5 });
  const codes = await Promise.all(
    Array.from({ length: 60 }, (_, i) => {
      const version = 1 + (i % 20);
      switch (i % 3) {
        case 0:
          return calls.code("secrets.put", { name: NAME, value: `value ${i}` });
        case 1:
          return calls.code("secrets.get", { name: NAME, version });
        default:
          return calls.code("secrets.destroy_version", { name: NAME, version });
      }
    }),
  );
  for (const code of codes) {
    assert.ok(["ok", "not_found", "conflict"].includes(code), code);
  }
  const versions = await kept();
  const latest = Number(versions.at(-1)?.["version"]);
  assert.deepEqual(
    versions.map(({ version }) => version),
    [latest - 4, latest - 3, latest - 2, latest - 1, latest],
  );
  const enabled = versions.filter(({ state }) => state === "enabled");
  assert.equal(await records("secret-value"), enabled.length);
  for (const { version, state } of versions) {
    assert.equal(await refused(version as number), state === "enabled" ? "ok" : "not_found");
  }
  assert.deepEqual(calls.failures, []);
});
