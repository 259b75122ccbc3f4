import assert from "node:assert/strict";
import { createSecretKey, hkdfSync } from "node:crypto";
import { test } from "node:test";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import { deriveKey, equal, mac, wipe } from "./kdf.ts";

interface HkdfGroup {
  readonly tests: readonly (WycheproofCase & { ikm: string; salt: string; info: string; size: number; okm: string })[];
}

interface MacGroup {
  readonly tagSize: number;
  readonly tests: readonly (WycheproofCase & { key: string; msg: string; tag: string })[];
}

for (const hash of ["sha256", "sha512"] as const) {
  test(`REQ-13: HKDF with ${hash} agrees with every Wycheproof vector`, (t) => {
    const file = readWycheproof<HkdfGroup>(`hkdf_${hash}_test.json`);
    let ran = 0;
    let derived = 0;
    for (const { ikm, salt, info, size, okm, result, tcId } of file.testGroups.flatMap((group) => group.tests)) {
      const key = createSecretKey(hex(ikm));
      const expand = () => Buffer.from(hkdfSync(hash, key, hex(salt), hex(info), size)).toString("hex");
      if (result === "valid") assert.equal(expand(), okm, `case ${tcId}`);
      else assert.throws(expand, `case ${tcId}`);
      ran += 1;
      // Through our own function where the vector fits it: 32 bytes, and info that is text.
      const label = hex(info).toString("utf8");
      if (hash === "sha256" && size >= 32 && result === "valid" && Buffer.from(label).equals(hex(info))) {
        const bytes = deriveKey(key, label, hex(salt)).export().toString("hex");
        assert.equal(bytes, okm.slice(0, 64), `case ${tcId}`);
        derived += 1;
      }
    }
    assert.equal(ran, file.numberOfTests);
    assert.ok(ran > 80);
    if (hash === "sha256") assert.ok(derived > 10);
    t.diagnostic(`${ran} cases, ${derived} through deriveKey`);
  });
}

test("REQ-13: HMAC-SHA-256 agrees with every Wycheproof vector", (t) => {
  const file = readWycheproof<MacGroup>("hmac_sha256_test.json");
  let ran = 0;
  for (const { tagSize, tests } of file.testGroups) {
    for (const { key, msg, tag, result, tcId } of tests) {
      const ours = mac(createSecretKey(hex(key)), hex(msg)).subarray(0, tagSize / 8);
      assert.equal(equal(ours, hex(tag)), result === "valid", `case ${tcId}`);
      ran += 1;
    }
  }
  assert.equal(ran, file.numberOfTests);
  assert.ok(ran > 100);
  t.diagnostic(`${ran} cases`);
});

test("keys of different labels or salts differ, and the same ones agree", () => {
  const ikm = createSecretKey(Buffer.alloc(32, 7));
  const derived = deriveKey(ikm, "a");
  assert.equal(derived.symmetricKeySize, 32);
  assert.ok(derived.equals(deriveKey(ikm, "a")));
  assert.ok(!derived.equals(deriveKey(ikm, "b")));
  assert.ok(!derived.equals(deriveKey(ikm, "a", Buffer.of(1))));
});

test("a mac of parts is the mac of the parts joined", () => {
  const key = createSecretKey(Buffer.alloc(32, 7));
  assert.deepEqual(mac(key, Buffer.from("ab"), Buffer.from("c")), mac(key, Buffer.from("abc")));
});

test("equal compares contents, and unequal lengths are unequal", () => {
  assert.ok(equal(Buffer.from("abc"), Buffer.from("abc")));
  assert.ok(!equal(Buffer.from("abc"), Buffer.from("abd")));
  assert.ok(!equal(Buffer.from("abc"), Buffer.from("abcd")));
  assert.ok(equal(Buffer.alloc(0), Buffer.alloc(0)));
});

test("wiped buffers are zero", () => {
  const a = Buffer.from("secret");
  const b = new Uint8Array([1, 2]);
  wipe(a, b);
  assert.deepEqual(a, Buffer.alloc(6));
  assert.deepEqual(b, new Uint8Array(2));
});
