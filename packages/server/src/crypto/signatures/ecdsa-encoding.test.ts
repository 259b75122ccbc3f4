import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { test } from "node:test";
import { derToP1363, hasLowS, p1363ToDer, withLowS } from "./ecdsa-encoding.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const p1363Of = (r: bigint, s: bigint) => hex([r, s].map((number) => number.toString(16).padStart(64, "0")).join(""));

for (const [namedCurve, size] of [
  ["prime256v1", 32],
  ["secp384r1", 48],
  ["secp521r1", 66],
] as const) {
  test(`both forms of signatures on ${namedCurve} are those of node:crypto`, () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
    for (let i = 0; i < 200; i++) {
      const der = sign("sha256", Buffer.of(i), privateKey);
      const p1363 = derToP1363(der, size);
      assert.ok(verify("sha256", Buffer.of(i), { key: publicKey, dsaEncoding: "ieee-p1363" }, p1363));
      assert.deepEqual(p1363ToDer(p1363, size), der);
    }
  });
}

test("numbers are padded in one form and minimal in the other", () => {
  for (const [r, s, der] of [
    [0n, 0n, "3006020100020100"],
    [1n, 0x7fn, "300602010102017f"],
    [0x80n, 0x100n, "300802020080020201 00".replace(" ", "")],
    [2n ** 255n, 1n, `30260221008${"0".repeat(63)}020101`],
  ] as const) {
    assert.deepEqual(p1363ToDer(p1363Of(r, s), 32), hex(der));
    assert.deepEqual(derToP1363(hex(der), 32), p1363Of(r, s));
  }
});

test("r ‖ s of another length has no DER", () => {
  for (const length of [0, 1, 63, 65, 96, 128]) assert.equal(p1363ToDer(Buffer.alloc(length), 32), undefined);
});

test("of (r, s) and (r, n − s) exactly one has low s, and withLowS finds it", () => {
  const half = (ORDER - 1n) / 2n;
  for (const s of [1n, 2n, half - 1n, half]) {
    const low = p1363Of(5n, s);
    const high = p1363Of(5n, ORDER - s);
    assert.equal(hasLowS(low, ORDER), true);
    assert.equal(hasLowS(high, ORDER), false);
    assert.deepEqual(withLowS(low, ORDER), low);
    assert.deepEqual(withLowS(high, ORDER), low);
  }
});

test("ecdsa-sha256-low-s signs with low s always, and plain ecdsa-sha256 about half of the time", async () => {
  const { ecdsaSignatures, lowSSignature } = await import("./ecdsa.ts");
  const curve = { namedCurve: "secp256k1", size: 32, slow: false };
  const [plain] = ecdsaSignatures(curve, ["sha256"]);
  const low = lowSSignature(curve);
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const publicKey = createPublicKey(privateKey);
  const input = { kind: "message", bytes: Buffer.from("a message") } as const;
  let high = 0;
  for (let i = 0; i < 64; i++) {
    for (const encoding of ["der", "p1363"] as const) {
      const signature = await low.sign(privateKey, input, { encoding });
      assert.ok(hasLowS(encoding === "der" ? derToP1363(signature, 32) : signature, ORDER));
      assert.equal(await low.verify(publicKey, input, signature, { encoding }), true);
      assert.equal(await plain?.verify(publicKey, input, signature, { encoding }), true);
      const any = (await plain?.sign(privateKey, input, { encoding })) ?? assert.fail();
      const isLow = hasLowS(encoding === "der" ? derToP1363(any, 32) : any, ORDER);
      assert.equal(await low.verify(publicKey, input, any, { encoding }), isLow);
      if (!isLow) high += 1;
    }
  }
  // 2^-121 that it is none, or all.
  assert.ok(high > 0 && high < 128);
});
