import assert from "node:assert/strict";
import { test } from "node:test";
import { closingLine, redact } from "./tally.ts";

test("REQ-06: what the suite prints has no token and no master key", () => {
  const token = `bkms_${"root"}_${"a1B2c3".repeat(6)}`;
  const key = `base64:${"A".repeat(43)}=`;
  assert.equal(redact(`token ${token}, key ${key}.`), "token bkms_[redacted], key base64:[redacted].");
});

test("the closing line says how many passed and how many failed", () => {
  assert.equal(closingLine({ passed: 3, failures: [{ name: "x", detail: "y" }] }), "3 passed, 1 failed");
});
