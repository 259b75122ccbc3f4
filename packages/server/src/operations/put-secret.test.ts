import assert from "node:assert/strict";
import { test } from "node:test";
import { watchWipes } from "../../../../test/harness/watched-wipes.ts";
import { testCalls } from "../boot/test-calls.ts";
import { FaultyStore } from "../boot/test-vault.ts";
import { StoreUnavailable } from "../store/store.ts";

test("a value that is not stored is zeroed, whatever refused it", async (context) => {
  const store = new FaultyStore();
  const calls = await testCalls(store);
  const fails = async (): Promise<never> => {
    throw new StoreUnavailable("broken");
  };
  const { get, getMany } = store;
  const zeroed = watchWipes(context);
  const refused = async (name: string, value: string, options: object = {}): Promise<string> => {
    const code = await calls.code("secrets.put", { name, value, ...options });
    assert.ok(zeroed.includes(Buffer.from(value).toString("hex")), value);
    return code;
  };
  assert.equal(await refused("a", "of another version", { if_version: 3 }), "version_mismatch");
  store.get = fails;
  assert.equal(await refused("a", "the secret cannot be read"), "storage_unavailable");
  store.get = get;
  await calls.call("secrets.put", { name: "a", value: "one" });
  store.getMany = fails;
  const oldest = { max_versions: 1 };
  assert.equal(await refused("a", "what falls out cannot be read", oldest), "storage_unavailable");
  store.getMany = getMany;
  const time = new Date().toISOString();
  await calls.call("secrets.import", { name: "b", value_b64: "AQID", created_at: time });
  store.get = (table, path) => (table === "secret-value" ? fails() : get(table, path));
  const value = Buffer.from("cannot be compared");
  const request = { name: "b", value_b64: value.toString("base64"), created_at: time };
  assert.equal(await calls.code("secrets.import", request), "storage_unavailable");
  assert.ok(zeroed.includes(value.toString("hex")));
});
