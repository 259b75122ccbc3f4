import assert from "node:assert/strict";
import { createHash, createSecretKey, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { OpenFailure, sealWithNonce, XaesKey } from "./xaes.ts";

const key = (fill: number): KeyObject => createSecretKey(Buffer.alloc(32, fill));
const NOTHING = Buffer.alloc(0);

// https://c2sp.org/XAES-256-GCM, "Test vectors". The two differ in the top bit of L, so in how K1 is made.
const SPECIFIED = [
  { fill: 1, aad: "", sealed: "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271" },
  { fill: 3, aad: "c2sp.org/XAES-256-GCM", sealed: "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d" },
];

for (const { fill, aad, sealed } of SPECIFIED) {
  test(`REQ-13: the vector of C2SP with the key ${fill} is sealed and opened`, () => {
    const nonce = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWX");
    const ours = sealWithNonce(new XaesKey(key(fill)), nonce, Buffer.from("XAES-256-GCM"), Buffer.from(aad));
    assert.equal(ours.toString("hex"), nonce.toString("hex") + sealed);
    assert.equal(new XaesKey(key(fill)).open(ours, Buffer.from(aad)).toString(), "XAES-256-GCM");
  });
}

test("REQ-13: the accumulated vectors of C2SP agree", { timeout: 600_000 }, (t) => {
  const soak = process.env.BUNKMS_SOAK === "1";
  const rounds = soak ? 1_000_000 : 10_000;
  const expected = soak
    ? "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15"
    : "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939";
  // A round takes 313 bytes on average, with a deviation of 105: this is enough by far more than ten deviations.
  const stream = createHash("shake128", { outputLength: rounds * 313 + Math.ceil(2000 * Math.sqrt(rounds)) }).digest();
  assert.equal(stream.subarray(0, 16).toString("hex"), "7f9c2ba4e88f827d616045507605853e");
  let at = 0;
  const take = (length: number): Buffer => {
    at += length;
    return stream.subarray(at - length, at);
  };
  const sum = createHash("shake128", { outputLength: 32 });
  for (let round = 0; round < rounds; round++) {
    const xaes = new XaesKey(createSecretKey(take(32)));
    const nonce = take(24);
    const plaintext = take(take(1).readUInt8());
    const aad = take(take(1).readUInt8());
    const sealed = sealWithNonce(xaes, nonce, plaintext, aad);
    sum.update(sealed.subarray(24));
    if (round % 10 === 0) assert.deepEqual(xaes.open(sealed, aad), plaintext);
  }
  assert.equal(sum.digest("hex"), expected);
  t.diagnostic(`${rounds} rounds`);
});

test("what was sealed opens again, with a fresh nonce each time", () => {
  const xaes = new XaesKey(key(1));
  for (const length of [0, 1, 15, 16, 17, 1000]) {
    const plaintext = Buffer.alloc(length, 9);
    const sealed = xaes.seal(plaintext, Buffer.from("path"));
    assert.equal(sealed.length, 24 + length + 16);
    assert.deepEqual(xaes.open(sealed, Buffer.from("path")), plaintext);
    assert.notDeepEqual(xaes.seal(plaintext, Buffer.from("path")).subarray(0, 24), sealed.subarray(0, 24));
  }
});

test("REQ-14: every single-bit change is refused with one and the same error [10,000 mutations]", (t) => {
  const xaes = new XaesKey(key(1));
  const aad = Buffer.from("records/keys/1");
  const failures = new Set<string>();
  let mutations = 0;
  const refused = (sealed: Buffer, with_: Buffer): void => {
    assert.throws(
      () => xaes.open(sealed, with_),
      (error) => {
        assert.ok(error instanceof OpenFailure);
        failures.add(JSON.stringify([error.name, error.message, error.cause, Object.keys(error)]));
        return true;
      },
    );
    mutations += 1;
  };
  for (const length of [0, 1, 16, 100, 300, 500]) {
    const sealed = xaes.seal(Buffer.alloc(length, 7), aad);
    for (let bit = 0; bit < sealed.length * 8; bit++) refused(flipped(sealed, bit), aad);
    for (let bit = 0; bit < aad.length * 8; bit++) refused(sealed, flipped(aad, bit));
    for (let cut = 0; cut < sealed.length; cut++) refused(sealed.subarray(0, cut), aad);
    refused(Buffer.concat([sealed, Buffer.alloc(1)]), aad);
    refused(sealed, NOTHING);
  }
  assert.ok(mutations >= 10_000);
  assert.equal(failures.size, 1);
  t.diagnostic(`${mutations} mutations`);
});

test("another key does not open", () => {
  assert.throws(
    () => new XaesKey(key(2)).open(new XaesKey(key(1)).seal(Buffer.from("x"), NOTHING), NOTHING),
    OpenFailure,
  );
});

test("a key of another length or kind is refused", () => {
  assert.throws(() => new XaesKey(createSecretKey(Buffer.alloc(16))), TypeError);
});

test("REQ-16: a nonce can be chosen by sealWithNonce alone, not through a key", () => {
  const members = [...Object.getOwnPropertyNames(XaesKey), ...Object.getOwnPropertyNames(XaesKey.prototype)];
  assert.deepEqual(members.sort(), ["constructor", "length", "name", "open", "prototype", "seal"]);
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
