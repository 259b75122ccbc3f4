import assert from "node:assert/strict";
import { getRawPointer } from "node:ffi";
import { test } from "node:test";
import { layOut, word } from "./memory.ts";

/** The words of a structure, addresses as offsets into it. */
function words(memory: Buffer, count: number): readonly bigint[] {
  return Array.from({ length: count }, (_, index) => memory.readBigUInt64LE(index * 8));
}

test("words stand side by side, and bytes behind them where the pointer says", () => {
  const memory = layOut([7n, Buffer.from("abc"), 3n, Buffer.alloc(0), Buffer.from("12345678")]);
  const address = getRawPointer(memory);
  assert.deepEqual(words(memory, 5), [7n, address + 40n, 3n, address + 48n, address + 48n]);
  assert.equal(memory.subarray(40).toString("latin1"), "abc\0\0\0\0\0" + "12345678");
});

test("a structure that points to another holds it, as CK_MECHANISM holds CK_GCM_PARAMS", () => {
  const nonce = Buffer.alloc(12, 1);
  const aad = Buffer.alloc(32, 2);
  const memory = layOut([0x1087n, [nonce, 12n, 96n, aad, 32n, 128n], 48n]);
  const address = getRawPointer(memory);
  assert.deepEqual(words(memory, 9), [0x1087n, address + 24n, 48n, address + 72n, 12n, 96n, address + 88n, 32n, 128n]);
  assert.deepEqual(memory.subarray(72, 84), nonce);
  assert.deepEqual(memory.subarray(88, 120), aad);
  assert.equal(memory.length, 120);
});

test("a word is eight bytes, the least first", () => {
  assert.deepEqual(word(0x0102n), Buffer.from([2, 1, 0, 0, 0, 0, 0, 0]));
});
