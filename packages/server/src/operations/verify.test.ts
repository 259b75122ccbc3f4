import assert from "node:assert/strict";
import { test } from "node:test";
import { testCalls } from "../boot/test-calls.ts";

test("a signature in the encoding jose is verified as it was given, also one of the longest", async () => {
  const calls = await testCalls();
  const message = { message_b64: "AAAA" };
  for (const type of ["ecdsa-p521", "rsa-4096", "ml-dsa-87", "slh-dsa-sha2-256f"]) {
    await calls.call("keys.create", { name: type, type });
    const made = await calls.call("keys.sign", { name: type, ...message, encoding: "jose" });
    const signed = { ...message, signature_jose: made["signature_jose"] as string };
    const one = await calls.call("keys.verify", { name: type, ...signed, encoding: "jose" });
    assert.deepEqual(one, { valid: true, version: 1 }, type);
    const batch = await calls.call("keys.verify_batch", { name: type, items: [signed], encoding: "jose" });
    assert.deepEqual([batch["failed"], batch["results"]], [0, [{ valid: true, version: 1 }]], type);
  }
});
