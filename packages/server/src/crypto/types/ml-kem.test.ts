import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { hex, readWycheproof, type WycheproofCase } from "../../../../../test/vectors/wycheproof.ts";
import type { KeyType } from "../key-type.ts";
import { findKeyType } from "../key-types.ts";
import { ML_KEM_TYPES } from "./ml-kem.ts";

const isCode = (code: string) => (error: unknown) => error instanceof BunkmsError && error.code === code;
const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(`no type ${name}`);

interface File {
  readonly tests: readonly (WycheproofCase & {
    readonly seed: string;
    readonly ek: string;
    readonly dk: string;
    readonly c: string;
    readonly K: string;
  })[];
}

/** The algorithm in SubjectPublicKeyInfo and PKCS#8 (RFC 9935 section 3). */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ["512", "300b0609608648016503040401"],
  ["768", "300b0609608648016503040402"],
  ["1024", "300b0609608648016503040403"],
]);
const algorithmOf = (set: string): Buffer => hex(ALGORITHMS.get(set) ?? "");

/** An encapsulation key as SubjectPublicKeyInfo. */
const spki = (set: string, ek: Buffer): Buffer => der(0x30, algorithmOf(set), der(0x03, Buffer.of(0), ek));

const cases = (set: string, file: string) => {
  const { testGroups, numberOfTests } = readWycheproof<File>(`mlkem_${set}_${file}test.json`);
  const tests = testGroups.flatMap((group) => group.tests);
  assert.equal(tests.length, numberOfTests);
  return tests;
};

/** [parameter set, cases of seeds that open, cases that are refused, encapsulation keys taken, encapsulation keys refused] */
const SETS: readonly (readonly [string, number, number, number, number])[] = [
  ["512", 160, 40, 133, 128],
  ["768", 161, 40, 133, 132],
  ["1024", 162, 40, 133, 136],
];

for (const [set, opened, refused, taken, refusedKeys] of SETS) {
  const type = row(`ml-kem-${set}`);
  const { encapsulation = assert.fail() } = type;

  test(`REQ-13: ML-KEM-${set} makes of each seed the key that Wycheproof has`, () => {
    const tests = cases(set, "keygen_seed_");
    for (const { seed, ek, tcId } of tests) {
      const { publicKey } = type.accept("raw", hex(seed));
      assert.deepEqual(publicKey, spki(set, hex(ek)), `case ${tcId}`);
    }
    assert.equal(tests.length, 100);
  });

  test(`REQ-13: ML-KEM-${set} decapsulates as Wycheproof says`, (t) => {
    const counts = { opened: 0, refused: 0 };
    for (const { seed, c, K, result, tcId } of cases(set, "")) {
      const decapsulate = () => encapsulation.decapsulate(type.load(type.accept("raw", hex(seed)).material), hex(c));
      if (result === "valid") {
        assert.equal(decapsulate().toString("hex"), K, `case ${tcId}`);
        counts.opened += 1;
      } else {
        // A seed or a ciphertext that is not as long as it must be.
        assert.throws(decapsulate, BunkmsError, `case ${tcId}`);
        counts.refused += 1;
      }
    }
    assert.deepEqual(counts, { opened, refused });
    t.diagnostic(JSON.stringify(counts));
  });

  test(`REQ-13: ML-KEM-${set} takes and refuses encapsulation keys as Wycheproof says`, (t) => {
    // What is drawn for an encapsulation cannot be given to OpenSSL here, so its result is checked by the next test.
    const counts = { taken: 0, refused: 0 };
    for (const { ek, result, tcId } of cases(set, "encaps_")) {
      const load = () => type.loadPublic?.(spki(set, hex(ek))) ?? assert.fail();
      if (result === "valid") {
        assert.equal(encapsulation.encapsulate(load()).ciphertext.length, encapsulation.ciphertextLength);
        counts.taken += 1;
      } else {
        assert.throws(load, `case ${tcId}`);
        counts.refused += 1;
      }
    }
    assert.deepEqual(counts, { taken, refused: refusedKeys });
    t.diagnostic(JSON.stringify(counts));
  });

  test(`REQ-13: ML-KEM-${set} keys without their seed, such as Wycheproof's semi-expanded ones, are not offered`, () => {
    const tests = cases(set, "semi_expanded_decaps_");
    for (const { dk } of tests) {
      assert.throws(() => type.accept("raw", hex(dk)), isCode("invalid_key_material"));
      assert.throws(() => type.accept("pkcs8", expanded(set, hex(dk))), isCode("invalid_key_material"));
    }
    assert.equal(tests.length, 9);
  });
}

/** PKCS#8 of an expanded key alone (RFC 9935 section 6). */
function expanded(set: string, dk: Buffer): Buffer {
  return der(0x30, hex("020100"), algorithmOf(set), der(0x04, der(0x04, dk)));
}

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content);
  const { length } = bytes;
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...header), bytes]);
}

for (const type of ML_KEM_TYPES) {
  const { encapsulation = assert.fail() } = type;

  test(`${type.name}: what is encapsulated to a key is decapsulated by it alone, each time afresh`, async () => {
    const { material, publicKey } = await type.generate();
    const open = type.loadPublic?.(publicKey) ?? assert.fail();
    const one = encapsulation.encapsulate(open);
    const two = encapsulation.encapsulate(open);
    assert.equal(one.sharedSecret.length, 32);
    assert.equal(one.ciphertext.length, encapsulation.ciphertextLength);
    assert.notDeepEqual(one, two);
    assert.deepEqual(encapsulation.decapsulate(type.load(material), one.ciphertext), one.sharedSecret);
    const other = type.load((await type.generate()).material);
    assert.notDeepEqual(encapsulation.decapsulate(other, one.ciphertext), one.sharedSecret);
  });

  test(`${type.name}: a forged ciphertext gives another secret, one of a wrong length gives none`, async () => {
    const { material, publicKey } = await type.generate();
    const key = type.load(material);
    const { ciphertext, sharedSecret } = encapsulation.encapsulate(type.loadPublic?.(publicKey) ?? assert.fail());
    ciphertext[7] = (ciphertext[7] ?? 0) ^ 1;
    assert.notDeepEqual(encapsulation.decapsulate(key, ciphertext), sharedSecret);
    for (const wrong of [Buffer.alloc(0), ciphertext.subarray(1), Buffer.concat([ciphertext, Buffer.of(0)])]) {
      assert.throws(() => encapsulation.decapsulate(key, wrong), isCode("decryption_failed"));
    }
  });

  test(`${type.name} is imported by its seed, raw or as PKCS#8, and kept in one form`, async () => {
    const { material, publicKey } = await type.generate();
    const seed = type.load(material).export({ format: "raw-seed" });
    assert.equal(seed.length, 64);
    for (const taken of [type.accept("raw", seed), type.accept("pkcs8", material)]) {
      assert.deepEqual(taken, { material, publicKey });
    }
    for (const wrong of [seed.subarray(1), Buffer.concat([seed, seed]), Buffer.alloc(0)]) {
      assert.throws(() => type.accept("raw", wrong), isCode("invalid_key_material"));
    }
  });

  test(`REQ-19: ${type.name} serves no key of another parameter set, nor a half for the other's work`, async () => {
    const own = await type.generate();
    const ownPublic = type.loadPublic?.(own.publicKey) ?? assert.fail();
    const ciphertext = Buffer.alloc(encapsulation.ciphertextLength);
    assert.throws(() => encapsulation.encapsulate(type.load(own.material)), isCode("wrong_key_usage"));
    assert.throws(() => encapsulation.decapsulate(ownPublic, ciphertext), isCode("wrong_key_usage"));
    for (const other of ML_KEM_TYPES) {
      if (other === type) continue;
      const { material, publicKey } = await other.generate();
      const foreign = other.loadPublic?.(publicKey) ?? assert.fail();
      assert.throws(() => encapsulation.encapsulate(foreign), isCode("wrong_key_usage"));
      assert.throws(() => encapsulation.decapsulate(other.load(material), ciphertext), isCode("wrong_key_usage"));
      assert.throws(() => type.accept("pkcs8", material), isCode("invalid_key_material"));
    }
  });
}

test("an ML-KEM key that comes with seed and expanded form is kept as its seed, if the two belong together", () => {
  const type = row("ml-kem-768");
  const [one, two] = cases("768", "keygen_seed_");
  const both = (seed: string, dk: string): Buffer => {
    const pair = der(0x30, der(0x04, hex(seed)), der(0x04, hex(dk)));
    return der(0x30, hex("020100"), algorithmOf("768"), der(0x04, pair));
  };
  assert.ok(one && two);
  assert.equal(createPrivateKey({ key: both(one.seed, one.dk), format: "der", type: "pkcs8" }).type, "private");
  assert.deepEqual(type.accept("pkcs8", both(one.seed, one.dk)), type.accept("raw", hex(one.seed)));
  assert.throws(() => type.accept("pkcs8", both(one.seed, two.dk)), isCode("invalid_key_material"));
});
