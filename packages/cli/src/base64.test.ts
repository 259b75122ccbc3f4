import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeSecretBase64 } from "./base64.ts";

test("base64 of a secret is decoded as Node decodes it, wherever its lines end", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.integer({ min: 1, max: 80 }),
      fc.constantFrom("\n", "\r\n", " \t"),
      (bytes, width, end) => {
        const text = Buffer.from(bytes).toString("base64");
        const lines = text.match(new RegExp(`.{1,${width}}`, "g")) ?? [];
        assert.deepEqual(decodeSecretBase64(Buffer.from(`${end}${lines.join(end)}${end}`)), Buffer.from(bytes));
      },
    ),
  );
});

for (const text of [
  "",
  "\n",
  "A",
  "AA",
  "AAA",
  "AA=",
  "A===",
  "AA=A",
  "AAAA=",
  "====",
  "AA==AAAA",
  "AA-_",
  "AAAA\0",
  "é",
]) {
  test(`${JSON.stringify(text)} is not taken for base64 of a secret`, () => {
    assert.equal(decodeSecretBase64(Buffer.from(text)), undefined);
  });
}
