import assert from "node:assert/strict";
import { test } from "node:test";
import { bearerToken, receiptFor, wholeHeader } from "./headers.ts";

test("several headers of a name are one with all their values, which is no bearer token", () => {
  const raw = [
    "Host",
    "authorization",
    "Authorization",
    "Bearer one",
    "authorizatiom",
    "Bearer none",
    "AUTHORIZATION",
    "Bearer two",
  ];
  assert.equal(wholeHeader(raw, "authorization"), "Bearer one, Bearer two");
  assert.equal(bearerToken(wholeHeader(raw, "authorization")), undefined);
  assert.equal(bearerToken(wholeHeader(raw.slice(0, 4), "authorization")), "one");
  assert.equal(wholeHeader(raw, "idempotency-key"), undefined);
});

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
