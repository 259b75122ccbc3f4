import assert from "node:assert/strict";
import { test } from "node:test";
import { testCalls } from "../boot/test-calls.ts";

test("a revoked key is a disabled one: its metadata say since when, nothing uses it, and it can be enabled again", async () => {
  const calls = await testCalls();
  await calls.call("keys.create", { name: "k" });
  const { ciphertext } = await calls.call("keys.encrypt", { key_name: "k", plaintext: "before" });
  assert.equal((await calls.call("keys.get", { name: "k" }))["revoked_at"], undefined);

  calls.now = Date.parse("2026-11-28T12:00:00.123Z");
  assert.deepEqual(await calls.call("keys.revoke", { name: "k" }), { status: "revoked", name: "k" });
  const revoked = await calls.call("keys.get", { name: "k" });
  assert.equal(revoked["state"], "disabled");
  assert.equal(revoked["revoked_at"], "2026-11-28T12:00:00.123Z");
  assert.equal(await calls.code("keys.encrypt", { key_name: "k", plaintext: "after" }), "wrong_key_state");
  assert.equal(
    await calls.code("keys.decrypt", { key_name: "k", ciphertext: ciphertext as string }),
    "wrong_key_state",
  );
  assert.equal(await calls.code("keys.rotate", { name: "k" }), "wrong_key_state");
  assert.equal(await calls.code("keys.revoke", { name: "k" }), "wrong_key_state");
  assert.equal(await calls.code("keys.revoke", { name: "missing" }), "not_found");

  const enabled = await calls.call("keys.enable", { name: "k" });
  assert.equal(enabled["revoked_at"], undefined);
  assert.equal(
    (await calls.call("keys.decrypt", { key_name: "k", ciphertext: ciphertext as string }))["plaintext"],
    "before",
  );
});

test("the time since when a key is disabled is that of the step, whichever led there", async () => {
  const calls = await testCalls();
  calls.now = Date.parse("2026-11-28T12:00:00Z");
  await calls.call("keys.create", { name: "k" });
  assert.equal((await calls.call("keys.disable", { name: "k" }))["revoked_at"], "2026-11-28T12:00:00Z");
  assert.equal((await calls.call("keys.schedule_deletion", { name: "k" }))["revoked_at"], undefined);
  calls.now += 1000;
  assert.equal((await calls.call("keys.cancel_deletion", { name: "k" }))["revoked_at"], "2026-11-28T12:00:01Z");
});
