import assert from "node:assert/strict";
import { test } from "node:test";
import { testCalls } from "../boot/test-calls.ts";
import { FaultyStore } from "../boot/test-vault.ts";

test("a secret that is read while it is deleted does not leave after the deletion is on record", async () => {
  const store = new FaultyStore();
  const calls = await testCalls(store);
  const put = (value: string) => calls.call("secrets.put", { name: "prod/db", value });
  const { get } = store;
  for (const isPutAgain of [false, true]) {
    await put("old");
    let deleted: Promise<unknown> | undefined;
    store.get = async (table, path) => {
      const record = await get(table, path);
      if (table === "secret-value") {
        deleted ??= calls.call("secrets.delete", { name: "prod/db" }).then(() => (isPutAgain ? put("new") : {}));
        await deleted;
      }
      return record;
    };
    if (isPutAgain) {
      assert.equal((await calls.call("secrets.get", { name: "prod/db" }))["value"], "new");
    } else {
      assert.equal(await calls.code("secrets.get", { name: "prod/db" }), "not_found");
    }
    assert.notEqual(deleted, undefined);
    store.get = get;
  }
});
