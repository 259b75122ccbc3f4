import assert from "node:assert/strict";
import { test } from "node:test";
import { NonceLot } from "./nonce-lot.ts";

test("REQ-16 the nonces of a lot are random and all distinct", () => {
  const lot = new NonceLot(1000);
  const nonces = Array.from({ length: 1000 }, (_, place) => {
    const nonce = Buffer.alloc(12);
    lot.fill(place, nonce);
    return nonce.toString("hex");
  });
  assert.equal(new Set(nonces).size, 1000);
  // Halves, too, as random ones are: a lot that began each nonce where the one before ended by a byte would show here.
  assert.equal(new Set(nonces.flatMap((nonce) => [nonce.slice(0, 12), nonce.slice(12)])).size, 2000);
  const other = Buffer.alloc(12);
  new NonceLot(1).fill(0, other);
  assert.ok(!nonces.includes(other.toString("hex")));
});

test("REQ-16 no nonce of a lot is given twice, and none that was not drawn", () => {
  const lot = new NonceLot(2);
  lot.fill(1, Buffer.alloc(12));
  assert.throws(() => lot.fill(1, Buffer.alloc(12)), RangeError);
  for (const place of [2, -1, 0.5, Number.NaN]) {
    assert.throws(() => lot.fill(place, Buffer.alloc(12)), RangeError);
  }
  assert.throws(() => lot.fill(0, Buffer.alloc(13)), RangeError);
  lot.fill(0, Buffer.alloc(12));
});
