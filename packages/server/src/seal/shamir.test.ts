import assert from "node:assert/strict";
import { hkdfSync } from "node:crypto";
import { test } from "node:test";
import { sha256 } from "../crypto/hash.ts";
import { hpkeSeal, recipientFrom, recipientOf } from "../crypto/hpke.ts";
import { secretKey } from "../crypto/keys.ts";
import { randomBytes } from "../crypto/random.ts";
import { combineShares } from "../crypto/shamir.ts";
import { SealFailure } from "./seal.ts";
import { createShamirSet, readShamirParameters, shamirOpener, shamirSeal } from "./shamir.ts";
import { clusterFingerprint, encodeShare } from "./share.ts";

const CLUSTER = randomBytes(16);
const CONTEXT = Buffer.from("bunkms seal slot v1 of a test");
const { signal } = new AbortController();

function made(shares = 5, threshold = 3) {
  const set = createShamirSet(CLUSTER, shares, threshold);
  return { ...set, seed: secretKey(combineShares(set.shares.slice(0, threshold))) };
}

test("REQ-26: shares are bound to cluster, set, number and threshold, and the parameters know each", () => {
  for (const [shares, threshold] of [
    [5, 3],
    [2, 2],
    [1, 1],
    [255, 2],
  ] as const) {
    const set = made(shares, threshold);
    const parameters = readShamirParameters(set.parameters);
    assert.equal(set.parameters.length, 1247 + 32 * shares);
    assert.deepEqual([parameters.shares, parameters.threshold], [shares, threshold]);
    assert.deepEqual(parameters.publicKey, recipientOf(set.seed).spki);
    for (const [at, share] of set.shares.entries()) {
      assert.deepEqual([share.index, share.threshold], [at + 1, threshold]);
      assert.deepEqual(share.fingerprint, clusterFingerprint(CLUSTER));
      assert.deepEqual(share.set, parameters.set);
      assert.deepEqual(parameters.hashes[at], sha256(encodeShare(share)));
    }
  }
  assert.notDeepEqual(made().parameters.subarray(1, 5), made().parameters.subarray(1, 5));
});

test("a set of wrong numbers is not made", () => {
  for (const [shares, threshold] of [
    [3, 1],
    [2, 3],
    [0, 0],
    [256, 3],
    [3, 2.5],
  ] as const) {
    assert.throws(() => createShamirSet(CLUSTER, shares, threshold), RangeError);
  }
});

test("a root key is wrapped without people and opened by what the shares give, in its place only", async () => {
  const { parameters, psk, seed } = made();
  const rootKey = randomBytes(32);
  const seal = shamirSeal(parameters, psk);
  const wrapped = await seal.wrap(rootKey, CONTEXT, signal);
  assert.equal(seal.kind, "shamir");
  assert.equal(seal.keyName, `3 of the 5 shares of set ${parameters.subarray(1, 5).toString("hex")}`);
  assert.equal(wrapped.length, 1168);
  assert.notDeepEqual(await seal.wrap(rootKey, CONTEXT, signal), wrapped);
  const opener = shamirOpener(parameters, seed);
  assert.equal(opener.kind, "shamir");
  assert.deepEqual(await opener.unwrap(wrapped, CONTEXT, signal), rootKey);
  await assert.rejects(opener.unwrap(wrapped, Buffer.from("another slot"), signal), SealFailure);
  await assert.rejects(shamirOpener(parameters, made().seed).unwrap(wrapped, CONTEXT, signal), SealFailure);
});

test("REQ-26: who has the public key but not the set's pre-shared key makes no wrapping that the shares open", async () => {
  const { parameters, psk, seed } = made();
  const { publicKey, set } = readShamirParameters(parameters);
  const [own, info] = [randomBytes(32), Buffer.from("bunkms shamir seal v1")];
  const opener = shamirOpener(parameters, seed);
  const recipient = recipientFrom(publicKey);
  const forged = [
    hpkeSeal(recipient, info, CONTEXT, own),
    hpkeSeal(recipient, info, CONTEXT, own, { key: randomBytes(32), id: set }),
    hpkeSeal(recipient, info, CONTEXT, own, { key: psk, id: Buffer.from("another set") }),
    await shamirSeal(parameters, made().psk).wrap(own, CONTEXT, signal),
  ];
  for (const wrapped of forged) await assert.rejects(opener.unwrap(wrapped, CONTEXT, signal), SealFailure);
  assert.deepEqual(
    await opener.unwrap(await shamirSeal(parameters, psk).wrap(own, CONTEXT, signal), CONTEXT, signal),
    own,
  );
});

test("the pre-shared key is each set's own, and comes of the seed by HKDF-SHA-256 alone", () => {
  const { psk, seed } = made();
  assert.deepEqual(psk, Buffer.from(hkdfSync("sha256", seed, Buffer.alloc(0), "bunkms shamir psk v1", 32)));
  assert.notDeepEqual(psk, made().psk);
});

test("a pre-shared key that is none wraps nothing", async () => {
  const { parameters, psk } = made();
  for (const wrong of [Buffer.alloc(0), psk.subarray(1)]) {
    await assert.rejects(shamirSeal(parameters, wrong).wrap(randomBytes(32), CONTEXT, signal), SealFailure);
  }
});

test("REQ-14: a wrapped root key that was changed or cut does not open", async () => {
  const { parameters, psk, seed } = made();
  const opener = shamirOpener(parameters, seed);
  const wrapped = await shamirSeal(parameters, psk).wrap(randomBytes(32), CONTEXT, signal);
  const wrong = [0, 1, 1119, 1135, 1136, 1167].map((length) => wrapped.subarray(0, length));
  wrong.push(Buffer.concat([wrapped, Buffer.alloc(1)]));
  for (const at of [0, 500, 1087, 1088, 1119, 1120, 1151, 1152, 1167]) {
    const changed = Buffer.from(wrapped);
    changed[at] = (changed[at] ?? 0) ^ 1;
    wrong.push(changed);
  }
  for (const bytes of wrong) await assert.rejects(opener.unwrap(bytes, CONTEXT, signal), SealFailure);
});

test("a call that was given up neither wraps nor unwraps", async () => {
  const { parameters, psk, seed } = made();
  const aborted = AbortSignal.abort(new Error("given up"));
  await assert.rejects(shamirSeal(parameters, psk).wrap(randomBytes(32), CONTEXT, aborted), /given up/);
  await assert.rejects(shamirOpener(parameters, seed).unwrap(Buffer.alloc(1168), CONTEXT, aborted), /given up/);
});

test("parameters that are damaged are refused, and so is a public key that is none", async () => {
  const { parameters, psk, seed } = made();
  const changed = (at: number, value: number): Buffer => {
    const wrong = Buffer.from(parameters);
    wrong[at] = value;
    return wrong;
  };
  const wrong = [0, 1, 6, 7, 100, parameters.length - 1].map((length) => parameters.subarray(0, length));
  wrong.push(Buffer.concat([parameters, Buffer.alloc(1)]), changed(0, 0), changed(0, 2));
  wrong.push(changed(5, 0), changed(5, 4), changed(5, 6), changed(6, 0), changed(6, 1), changed(6, 6));
  for (const bytes of wrong) {
    assert.throws(() => readShamirParameters(bytes), SealFailure);
    assert.throws(() => shamirSeal(bytes, psk), SealFailure);
    assert.throws(() => shamirOpener(bytes, seed), SealFailure);
  }
  const noKey = Buffer.from(parameters).fill(0xff, parameters.length - 1216);
  await assert.rejects(shamirSeal(noKey, psk).wrap(randomBytes(32), CONTEXT, signal), SealFailure);
});
