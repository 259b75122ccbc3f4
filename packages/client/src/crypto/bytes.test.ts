import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bigEndian,
  concat,
  equalsInConstantTime,
  fromBase64,
  toBase64,
  toBase64Url,
  toHex,
  unshared,
} from "./bytes.ts";

const ALL = Uint8Array.from({ length: 256 }, (_, at) => at);

test("an integer that does not fit is refused, so that no count begins anew", () => {
  assert.deepEqual([...bigEndian(0xffff_ffff, 4)], [255, 255, 255, 255]);
  assert.deepEqual([...bigEndian(258, 2)], [1, 2]);
  for (const [value, length] of [
    [2 ** 32, 4],
    [65_536, 2],
    [-1, 4],
    [0.5, 4],
    [Number.NaN, 2],
  ] as const) {
    assert.throws(() => bigEndian(value, length), RangeError);
  }
});

test("base64 is Node's, and only the canonical text is read", () => {
  for (const length of [0, 1, 2, 3, 255, 256]) {
    const bytes = ALL.subarray(0, length);
    assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
    assert.equal(toBase64Url(bytes), Buffer.from(bytes).toString("base64url"));
    assert.equal(toHex(bytes), Buffer.from(bytes).toString("hex"));
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  }
  for (const text of ["A", "AA", "AA=", "AB==", "AAA", "A A=", "AAAA\n", "AA==AA==", "-_==", "é"]) {
    assert.equal(fromBase64(text), undefined, text);
  }
});

test("bytes are equal when all of them are", () => {
  assert.ok(equalsInConstantTime(ALL, Uint8Array.from(ALL)));
  assert.ok(equalsInConstantTime(new Uint8Array(0), new Uint8Array(0)));
  const other = Uint8Array.from(ALL);
  other[255] = 0;
  assert.ok(!equalsInConstantTime(ALL, other));
  assert.ok(!equalsInConstantTime(ALL, ALL.subarray(0, 255)));
  assert.ok(!equalsInConstantTime(ALL.subarray(0, 255), ALL));
});

test("bytes are copied out of shared memory only, and joined to new ones", () => {
  assert.equal(unshared(ALL), ALL);
  const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(1);
  assert.ok(unshared(shared).buffer instanceof ArrayBuffer);
  const joined = concat(ALL.subarray(0, 1), shared);
  assert.deepEqual([...joined], [0, 1, 1, 1]);
});
