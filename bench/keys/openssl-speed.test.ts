import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSignRate } from "./openssl-speed.ts";

test("signatures per second are found in what openssl 3.0 prints of RSA, ECDSA and EdDSA", () => {
  const rsa = [
    "+DTP:2048:private:rsa:1",
    "+R1:5032:2048:0.99",
    "+DTP:2048:public:rsa:1",
    "+R2:83733:2048:1.00",
    "version: 3.0.19",
    "+F2:2:2048:5082.828283:83733.000000",
  ];
  assert.equal(parseSignRate(rsa.join("\n")), 5082.828283);
  assert.equal(parseSignRate("+F4:3:256:75928.571429:25920.000000\n"), 75928.571429);
  assert.equal(parseSignRate("+F6:0:253:Ed25519:47064.000000:17622.580645\n"), 47064);
});

test("of four RSA rates and of the three of a post-quantum algorithm, as openssl 3.5 prints them, it is that of signing", () => {
  assert.equal(parseSignRate("+F2:2:2048:2000.5:83733.0:80000.0:1990.0\n"), 2000.5);
  assert.equal(parseSignRate("+F10:5:9000.0:3000.5:9500.0\n"), 3000.5);
});

test("without a result line, or with a rate that is none, there is no rate", () => {
  assert.equal(parseSignRate("speed: Unknown algorithm ML-DSA-65\n"), undefined);
  assert.equal(parseSignRate("+F2:2:2048\n+F4:3:256:-nan:0\n"), undefined);
  assert.equal(parseSignRate(""), undefined);
});
