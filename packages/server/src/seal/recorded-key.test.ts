import assert from "node:assert/strict";
import { test } from "node:test";
import { joinWrapped, splitWrapped } from "./recorded-key.ts";
import { SealFailure } from "./seal.ts";

test("name and ciphertext come back", () => {
  const wrapped = { keyName: "ключ/1", ciphertext: Buffer.from([0, 1, 2]) };
  assert.deepEqual(splitWrapped(joinWrapped(wrapped)), wrapped);
});

test("without a name, without a ciphertext, or cut, it is damaged", () => {
  const whole = joinWrapped({ keyName: "name", ciphertext: Buffer.of(7) });
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => splitWrapped(whole.subarray(0, length)), SealFailure);
  }
  assert.throws(() => splitWrapped(joinWrapped({ keyName: "", ciphertext: Buffer.of(7) })), SealFailure);
  assert.throws(() => splitWrapped(Buffer.of(0xff, 0xff, 1, 2)), SealFailure);
});
