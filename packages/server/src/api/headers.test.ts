import assert from "node:assert/strict";
import { test } from "node:test";
import { receiptFor } from "./headers.ts";

test("a receipt that is too long for a header is left out; the entry's index is given all the same", () => {
  for (const [length, isGiven] of [
    [100, true],
    [6144, true],
    [6145, false],
    [200_000, false],
  ] as const) {
    const { receiptHeaders, onReceipt } = receiptFor("true");
    onReceipt?.({ index: 7, proof: "x".repeat(length) });
    assert.equal(receiptHeaders.get("bunkms-audit-index"), "7");
    assert.equal(receiptHeaders.has("bunkms-receipt"), isGiven, String(length));
  }
});

test("without a proof there is the index alone", () => {
  const { receiptHeaders, onReceipt } = receiptFor("true");
  onReceipt?.({ index: 0, proof: undefined });
  assert.deepEqual([...receiptHeaders], [["bunkms-audit-index", "0"]]);
});
