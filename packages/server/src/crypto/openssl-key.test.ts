import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { test } from "node:test";
import { partsMatch, withKey } from "./openssl-key.ts";

const pkcs8 = ({ privateKey }: { readonly privateKey: KeyObject }) =>
  privateKey.export({ format: "der", type: "pkcs8" });

test("what is no key is an error, and leaves none behind for node:crypto", () => {
  for (const der of [Buffer.alloc(0), Buffer.alloc(100), pkcs8(generateKeyPairSync("ed25519")).subarray(0, -1)]) {
    for (const form of ["pkcs8", "spki"] as const) {
      assert.throws(() => withKey(form, der, () => assert.fail()), { message: "OpenSSL refused a key" });
    }
  }
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  assert.ok(verify(null, Buffer.of(1), publicKey, sign(null, Buffer.of(1), privateKey)));
});

test("a public key that is not that of its private key is told", () => {
  const der = pkcs8(generateKeyPairSync("slh-dsa-sha2-128f"));
  assert.equal(partsMatch(der), true);
  der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
  assert.equal(partsMatch(der), false);
});

test("thousands of keys grow the process by next to nothing: nothing native is leaked", () => {
  const der = pkcs8(generateKeyPairSync("ed25519"));
  const round = () => {
    for (let i = 0; i < 10_000; i++) withKey("pkcs8", der, () => undefined);
  };
  round();
  const before = process.memoryUsage.rss();
  round();
  assert.ok(process.memoryUsage.rss() - before < 8 * 2 ** 20);
});
