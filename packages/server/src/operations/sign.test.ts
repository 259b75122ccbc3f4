import assert from "node:assert/strict";
import { test } from "node:test";
import { testCalls } from "../boot/test-calls.ts";

test("REQ-37 single signatures that take long leave a thread to others", async () => {
  const calls = await testCalls();
  await calls.call("keys.create", { name: "long", type: "slh-dsa-shake-192f" });
  await calls.call("keys.create", { name: "short", type: "rsa-2048" });
  let made = 0;
  const sign = (name: string) => calls.call("keys.sign", { name, message_b64: "AAAA" });
  const long = Array.from({ length: 8 }, () => sign("long").then(() => made++));
  await sign("short");
  // Were all four threads theirs, five of them would be made before it.
  assert.ok(made <= 3, `${made} were made before it`);
  await Promise.all(long);
});
