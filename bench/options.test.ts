import assert from "node:assert/strict";
import { test } from "node:test";
import { readOptions } from "./options.ts";

test("without flags, single requests are measured in three rounds of three seconds", () => {
  const options = readOptions([]);
  assert.equal(options?.mode, "requests");
  assert.equal(options?.rounds, 3);
  assert.equal(options?.cellMs, 3000);
  assert.equal(options?.only, "");
});

test("--keys, --file and --audit choose what is measured, and two of them are refused", () => {
  assert.equal(readOptions(["--audit"])?.mode, "audit");
  assert.throws(() => readOptions(["--file", "--audit"]), RangeError);
  assert.equal(readOptions(["--keys"])?.mode, "keys");
  assert.equal(readOptions(["--file"])?.mode, "file");
  assert.throws(() => readOptions(["--keys", "--file"]), RangeError);
});

test("--quick makes everything shorter, and numbers that are given still count", () => {
  const options = readOptions(["--keys", "--quick", "--seconds", "2"]);
  assert.equal(options?.rounds, 1);
  assert.equal(options?.cellMs, 2000);
  assert.equal(options?.manyKeys, 10_000);
  assert.equal(readOptions(["--keys"])?.manyKeys, 100_000);
});

test("a number that is none, or not above zero, and an unknown flag are refused", () => {
  for (const value of ["0", "-1", "three", ""]) {
    assert.throws(() => readOptions([`--seconds=${value}`]), RangeError);
  }
  assert.throws(() => readOptions(["--fast"]), TypeError);
});

test("--help asks for nothing", () => {
  assert.equal(readOptions(["--help"]), undefined);
});
