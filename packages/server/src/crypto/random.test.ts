import assert from "node:assert/strict";
import { test } from "node:test";
import { fillRandom, openKernelSource, randomBytes, reseedOpenssl } from "./random.ts";

test("randomness of any length fills the whole buffer", () => {
  for (const length of [0, 1, 12, 24, 255, 256, 257, 512, 1000, 100_000]) {
    assert.equal(randomBytes(length).length, length);
    const bytes = Buffer.alloc(length);
    fillRandom(bytes);
    // A zero byte somewhere is ordinary; eight in a row mean that a part was left out.
    assert.equal(bytes.indexOf(Buffer.alloc(8)), -1);
  }
  // Unfilled memory is not random: of 10^6 random bytes, 3,906 are zero, with a deviation of 62.
  const zeros = randomBytes(1_000_000).reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0);
  assert.ok(zeros > 3000 && zeros < 5000);
});

test("random bytes have memory of their own, so that zeroing them zeroes nothing else", () => {
  const bytes = randomBytes(16);
  assert.equal(bytes.buffer.byteLength, 16);
});

test("a platform whose kernel cannot be asked is refused: there is no fallback", () => {
  assert.throws(() => openKernelSource("win32"), /randomness from the kernel/);
});

test("OpenSSL's generator takes fresh state when asked", () => {
  reseedOpenssl();
});

test("REQ-16: drawn nonces are all distinct", { timeout: 1_800_000 }, (t) => {
  const count = process.env.BUNKMS_SOAK === "1" ? 100_000_000 : 1_000_000;
  // The first 8 of each nonce's 12 bytes: that these are distinct is more than is asked, and they sort as numbers. An
  // honest generator fails this with a chance of count²/2^65: 3 in 10^8 for a million, 3 in 10^4 for the soak's 10^8.
  const prefixes = new BigUint64Array(count);
  const nonce = Buffer.alloc(12);
  for (let i = 0; i < count; i++) {
    fillRandom(nonce);
    prefixes[i] = nonce.readBigUInt64LE();
  }
  prefixes.sort();
  for (let i = 1; i < count; i++) if (prefixes[i] === prefixes[i - 1]) assert.fail("two nonces are equal");
  t.diagnostic(`${count} nonces`);
});
