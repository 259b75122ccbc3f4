import assert from "node:assert/strict";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { testCalls } from "../boot/test-calls.ts";
import { KeyUse } from "./key-use.ts";
import type { CallContext } from "./operation.ts";

test("a version that a call has opened is there at once, until something happens to the key that could end its use", async () => {
  const calls = await testCalls();
  await calls.call("keys.create", { name: "k" });
  const { vault } = calls.unsealed;
  const epoch = vault.keys.useEpoch("k");
  const context: Pick<CallContext, "vault" | "now"> = { vault, now: calls.now };
  const use = new KeyUse(context, await vault.keys.get("k"), epoch);
  const opened = await use.openToRead(1);
  assert.equal(use.openToRead(1), opened);
  await calls.call("keys.rotate", { name: "k" });
  await calls.call("keys.disable_version", { name: "k", version: 1 });
  await assert.rejects(
    async () => use.openToRead(1),
    (error) => error instanceof BunkmsError && error.code === "wrong_key_state",
  );
  assert.equal(use.plan().holds?.(), false);
});
