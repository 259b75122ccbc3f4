import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../crypto/hash.ts";
import { recipientOf } from "../crypto/hpke.ts";
import { secretKey } from "../crypto/keys.ts";
import { randomBytes } from "../crypto/random.ts";
import { combineShares } from "../crypto/shamir.ts";
import { SealFailure, SealUnavailable } from "./seal.ts";
import { createShamirSet, readShamirParameters, shamirSeal } from "./shamir.ts";
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
  const { parameters, seed } = made();
  const rootKey = randomBytes(32);
  const alone = shamirSeal(parameters);
  const wrapped = await alone.wrap(rootKey, CONTEXT, signal);
  assert.equal(alone.kind, "shamir");
  assert.equal(alone.keyName, `3 of the 5 shares of set ${parameters.subarray(1, 5).toString("hex")}`);
  assert.equal(wrapped.length, 1168);
  assert.notDeepEqual(await alone.wrap(rootKey, CONTEXT, signal), wrapped);
  await assert.rejects(alone.unwrap(wrapped, CONTEXT, signal), SealUnavailable);
  const opened = shamirSeal(parameters, seed);
  assert.deepEqual(await opened.unwrap(wrapped, CONTEXT, signal), rootKey);
  await assert.rejects(opened.unwrap(wrapped, Buffer.from("another slot"), signal), SealFailure);
  await assert.rejects(shamirSeal(parameters, made().seed).unwrap(wrapped, CONTEXT, signal), SealFailure);
  await opened.close();
  await assert.rejects(opened.unwrap(wrapped, CONTEXT, signal), SealUnavailable);
});

test("REQ-14: a wrapped root key that was changed or cut does not open", async () => {
  const { parameters, seed } = made();
  const seal = shamirSeal(parameters, seed);
  const wrapped = await seal.wrap(randomBytes(32), CONTEXT, signal);
  const wrong = [0, 1, 1119, 1135, 1136, 1167].map((length) => wrapped.subarray(0, length));
  wrong.push(Buffer.concat([wrapped, Buffer.alloc(1)]));
  for (const at of [0, 500, 1087, 1088, 1119, 1120, 1151, 1152, 1167]) {
    const changed = Buffer.from(wrapped);
    changed[at] = (changed[at] ?? 0) ^ 1;
    wrong.push(changed);
  }
  for (const bytes of wrong) await assert.rejects(seal.unwrap(bytes, CONTEXT, signal), SealFailure);
});

test("a call that was given up neither wraps nor unwraps", async () => {
  const { parameters, seed } = made();
  const seal = shamirSeal(parameters, seed);
  const aborted = AbortSignal.abort(new Error("given up"));
  await assert.rejects(seal.wrap(randomBytes(32), CONTEXT, aborted), /given up/);
  await assert.rejects(seal.unwrap(Buffer.alloc(1168), CONTEXT, aborted), /given up/);
});

test("parameters that are damaged are refused, and so is a public key that is none", async () => {
  const { parameters } = made();
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
    assert.throws(() => shamirSeal(bytes), SealFailure);
  }
  const noKey = Buffer.from(parameters).fill(0xff, parameters.length - 1216);
  await assert.rejects(shamirSeal(noKey).wrap(randomBytes(32), CONTEXT, signal), SealFailure);
});
