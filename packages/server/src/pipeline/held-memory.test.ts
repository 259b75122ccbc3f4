import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { testCalls } from "../boot/test-calls.ts";
import { collectForgottenKeys } from "../crypto/forget-keys.ts";
import { openStoreThread } from "../store/store-thread.ts";

const WARM_UP = 500;
const ROUNDS = 4;
const TIMES = 250;
/** What the runtime's own tables may take. */
const BYTES_PER_CALL = 100;

test("what is called again and again leaves no memory behind", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-held-"));
  const store = await openStoreThread(folder);
  t.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const { call } = await testCalls(store);
  await call("keys.create", { name: "data" });
  await call("keys.create", { name: "signing", type: "ed25519" });
  await call("keys.create", { name: "codes", type: "hmac-sha256" });
  await call("secrets.put", { name: "app/password", value: "x" });
  await call("aliases.set", { alias: "current", key_name: "data" });
  const { ciphertext } = await call("keys.encrypt", { key_name: "data", plaintext: "x" });
  const message_b64 = Buffer.from("x").toString("base64");
  const { signature_b64 } = await call("keys.sign", { name: "signing", message_b64 });
  const calls: readonly (readonly [action: string, request: JsonObject])[] = [
    ["keys.encrypt", { key_name: "data", plaintext: "x", aad: "y" }],
    ["keys.encrypt", { key_name: "@current", plaintext: "x" }],
    ["keys.decrypt", { key_name: "data", ciphertext: String(ciphertext) }],
    ["keys.generate_data_key", { name: "data" }],
    ["keys.sign", { name: "signing", message_b64 }],
    ["keys.verify", { name: "signing", message_b64, signature_b64: String(signature_b64) }],
    ["keys.generate_mac", { name: "codes", message_b64 }],
    ["keys.get", { name: "data" }],
    ["keys.list", {}],
    ["secrets.get", { name: "app/password" }],
    ["tokens.get_self", {}],
  ];
  const heldAfter = async (times: number): Promise<number> => {
    for (let i = 0; i < times; i++) {
      await Promise.all(calls.map(([action, request]) => call(action, request)));
    }
    collectForgottenKeys();
    return process.memoryUsage().heapUsed;
  };
  // The first ones compile, and fill caches. That may go on, so that the round counts that left least: a leak is in all of them.
  let held = await heldAfter(WARM_UP);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const now = await heldAfter(TIMES);
    least = Math.min(least, (now - held) / (TIMES * calls.length));
    held = now;
  }
  assert.ok(least < BYTES_PER_CALL, `each call leaves ${least} bytes`);
});
