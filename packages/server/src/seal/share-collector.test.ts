import assert from "node:assert/strict";
import { test } from "node:test";
import { recipientOf } from "../crypto/hpke.ts";
import { randomBytes } from "../crypto/random.ts";
import { combineShares } from "../crypto/shamir.ts";
import { SealFailure } from "./seal.ts";
import { createShamirSet, hashOfShare, readShamirParameters, shamirOpener, shamirSeal } from "./shamir.ts";
import { encodeShare, type Share, ShareError, type ShareFault, shareText } from "./share.ts";
import { ShareCollector, type ShareCollectorOptions } from "./share-collector.ts";

const CLUSTER = randomBytes(16);

/** A vault with one Shamir slot, or several, and the shares of each. */
function vault(numbers: readonly (readonly [shares: number, threshold: number])[], options?: ShareCollectorOptions) {
  const sets = numbers.map(([shares, threshold], at) => {
    const { parameters, psk, shares: made } = createShamirSet(CLUSTER, shares, threshold);
    return { slotId: `slot ${at}`, parameters, psk, shares: made, texts: made.map(shareText) };
  });
  return { sets, collector: new ShareCollector(CLUSTER, sets, options) };
}

function oneSet(shares: number, threshold: number, options?: ShareCollectorOptions) {
  const { sets, collector } = vault([[shares, threshold]], options);
  return { ...(sets[0] ?? assert.fail()), collector };
}

function fault(collector: ShareCollector, text: string): ShareFault {
  try {
    collector.offer(text);
  } catch (error) {
    if (error instanceof ShareError) return error.reason;
    throw error;
  }
  return assert.fail("a wrong share was taken");
}

const provided = (collector: ShareCollector): readonly number[] => collector.progress().map((set) => set.provided);

/** A share with other fields, and the right checksum for them. */
const forged = (share: Share, changes: Partial<Share>): string => shareText({ ...share, ...changes });

test("REQ-26: shares in any order and form open the slot, and each says how far the set is", async () => {
  const { collector, parameters, psk, shares, texts } = oneSet(5, 3);
  const set = parameters.subarray(1, 5).toString("hex");
  const progress = { slotId: "slot 0", set, threshold: 3, shares: 5 };
  assert.deepEqual(collector.progress(), [{ ...progress, provided: 0 }]);
  assert.deepEqual(collector.offer(texts[4] ?? ""), { ...progress, provided: 1 });
  assert.deepEqual(collector.offer(encodeShare(shares[0] ?? assert.fail()).toString("hex")), {
    ...progress,
    provided: 2,
  });
  assert.deepEqual(collector.progress(), [{ ...progress, provided: 2 }]);
  const { seed = assert.fail(), ...last } = collector.offer(encodeShare(shares[2] ?? assert.fail()).toString("base64"));
  assert.deepEqual(last, { ...progress, provided: 3 });
  assert.deepEqual(recipientOf(seed).spki, readShamirParameters(parameters).publicKey);
  const [context, { signal }] = [Buffer.from("context"), new AbortController()];
  const rootKey = randomBytes(32);
  const wrapped = await shamirSeal(parameters, psk).wrap(rootKey, context, signal);
  assert.deepEqual(await shamirOpener(parameters, seed).unwrap(wrapped, context, signal), rootKey);
  assert.deepEqual(collector.progress(), [{ ...progress, provided: 0 }]);
});

test("REQ-26: one share of one opens, and so do 255 of 255", () => {
  for (const number of [1, 255]) {
    const { collector, texts } = oneSet(number, number);
    const answers = texts.map((text) => collector.offer(text));
    assert.deepEqual(
      answers.map(({ seed }) => seed !== undefined),
      answers.map((_, at) => at === number - 1),
    );
  }
});

test("REQ-26: a mistyped, foreign, replaced, forged or repeated share is named and does not spoil the round", () => {
  const { collector, shares, texts } = oneSet(5, 3);
  const [first = "", second = "", third = ""] = texts;
  const share = shares[1] ?? assert.fail();
  const foreign = createShamirSet(randomBytes(16), 5, 3).shares.map(shareText);
  const replaced = createShamirSet(CLUSTER, 5, 3).shares.map(shareText);
  const wrong: readonly (readonly [what: string, text: string, reason: ShareFault])[] = [
    ["no share", "open sesame", "malformed"],
    ["mistyped", `${second.slice(0, -1)}${second.endsWith("q") ? "p" : "q"}`, "checksum"],
    ["another cluster's", foreign[1] ?? "", "foreign_cluster"],
    ["a set's that was replaced", replaced[1] ?? "", "unknown_set"],
    ["number 6 of 5", forged(share, { index: 6 }), "index"],
    ["number 255 of 5", forged(share, { index: 255 }), "index"],
    ["another number", forged(share, { index: 3 }), "not_of_set"],
    ["another threshold", forged(share, { threshold: 2 }), "not_of_set"],
    ["another value", forged(share, { value: randomBytes(32) }), "not_of_set"],
    ["the first again", first, "repeated"],
    ["the first again in capitals", first.toUpperCase(), "repeated"],
  ];
  collector.offer(first);
  for (const [what, text, reason] of wrong) {
    assert.equal(fault(collector, text), reason, what);
    assert.deepEqual(provided(collector), [1], what);
  }
  collector.offer(second);
  for (const [what, text, reason] of wrong) assert.equal(fault(collector, text), reason, what);
  assert.throws(() => collector.offer(second), /share 2 was offered already/);
  assert.ok(collector.offer(third).seed);
});

test("REQ-26: shares of several sets are collected beside each other and never mixed", () => {
  const { sets, collector } = vault([
    [3, 2],
    [3, 3],
  ]);
  const [small, large] = sets.map(({ texts }) => texts) as [string[], string[]];
  collector.offer(small[0] ?? "");
  collector.offer(large[0] ?? "");
  collector.offer(large[1] ?? "");
  assert.deepEqual(provided(collector), [1, 2]);
  const opened = collector.offer(small[2] ?? "");
  assert.equal(opened.slotId, "slot 0");
  assert.ok(opened.seed);
  assert.deepEqual(provided(collector), [0, 0]);
});

test("two sets of one id are told apart by the hashes of their shares", () => {
  const one = createShamirSet(CLUSTER, 3, 2);
  const other = createShamirSet(CLUSTER, 3, 2);
  const moved = other.shares.map((share) => ({ ...share, set: one.shares[0]?.set ?? assert.fail() }));
  const parameters = Buffer.from(other.parameters);
  one.parameters.copy(parameters, 1, 1, 5);
  // The hashes of the shares with their new id.
  for (const [at, share] of moved.entries()) hashOfShare(share).copy(parameters, 7 + 32 * at);
  const collector = new ShareCollector(CLUSTER, [
    { slotId: "one", parameters: one.parameters },
    { slotId: "other", parameters },
  ]);
  assert.equal(collector.offer(shareText(moved[0] ?? assert.fail())).slotId, "other");
  assert.equal(collector.offer(shareText(one.shares[0] ?? assert.fail())).slotId, "one");
  assert.equal(
    recipientOf(collector.offer(shareText(moved[2] ?? assert.fail())).seed ?? assert.fail()).spki.length,
    1240,
  );
});

test("a slot whose public key is not that of its shares is damaged, and that is said", () => {
  const { shares, parameters } = createShamirSet(CLUSTER, 2, 2);
  const other = createShamirSet(CLUSTER, 2, 2).parameters;
  other.copy(parameters, parameters.length - 1240, other.length - 1240);
  const collector = new ShareCollector(CLUSTER, [{ slotId: "a", parameters }]);
  collector.offer(shareText(shares[0] ?? assert.fail()));
  assert.throws(() => collector.offer(shareText(shares[1] ?? assert.fail())), SealFailure);
  assert.deepEqual(provided(collector), [0]);
});

test("a collector is not made of parameters that are none; without slots it knows no share", () => {
  assert.throws(() => new ShareCollector(CLUSTER, [{ slotId: "a", parameters: Buffer.alloc(3) }]), SealFailure);
  const text = shareText(createShamirSet(CLUSTER, 2, 2).shares[0] ?? assert.fail());
  assert.equal(fault(new ShareCollector(CLUSTER, []), text), "unknown_set");
});

test("REQ-26: shares are forgotten ten minutes after the last one that counted, by the clock", () => {
  let now = 5;
  const { collector, texts } = oneSet(5, 3, { now: () => now });
  collector.offer(texts[0] ?? "");
  now += 599_999;
  collector.offer(texts[1] ?? "");
  now += 599_999;
  // What does not count keeps nothing alive.
  assert.equal(fault(collector, texts[1] ?? ""), "repeated");
  assert.deepEqual(provided(collector), [2]);
  now += 1;
  assert.deepEqual(provided(collector), [0]);
  assert.equal(collector.offer(texts[1] ?? "").provided, 1);
  now += 600_000;
  assert.equal(collector.offer(texts[1] ?? "").provided, 1);
});

test("REQ-26: shares are forgotten also when nobody asks, and a reset starts the time anew", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { collector, texts } = oneSet(3, 2, { now: () => 0, forgetAfterMs: 1000 });
  collector.offer(texts[0] ?? "");
  t.mock.timers.tick(999);
  assert.deepEqual(provided(collector), [1]);
  t.mock.timers.tick(1);
  assert.deepEqual(provided(collector), [0]);
  collector.offer(texts[0] ?? "");
  t.mock.timers.tick(500);
  collector.reset();
  assert.deepEqual(provided(collector), [0]);
  collector.offer(texts[1] ?? "");
  t.mock.timers.tick(999);
  assert.deepEqual(provided(collector), [1]);
});

test("shares that are waiting keep no process alive", () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const { collector, texts } = oneSet(3, 2);
  const before = timers();
  collector.offer(texts[0] ?? "");
  const after = timers();
  collector.reset();
  assert.equal(after, before);
});

test("REQ-6, REQ-26: no buffer that was made has a share or the seed in it, once a set opened, was reset or was refused", (t) => {
  const { parameters, shares } = createShamirSet(CLUSTER, 5, 3);
  const texts = shares.map(shareText);
  const hex = encodeShare(shares[1] ?? assert.fail()).toString("hex");
  const stranger = createShamirSet(randomBytes(16), 2, 2).shares[0] ?? assert.fail();
  const canaries = [...shares.map(({ value }) => value), stranger.value, combineShares(shares.slice(0, 3))];
  const secrets = canaries.map((bytes) => bytes.toString("hex"));
  const buffers = trackBuffers(t);
  const found = (): number =>
    buffers().filter((bytes) => secrets.some((secret) => bytes.toString("hex").includes(secret))).length;
  const collector = new ShareCollector(CLUSTER, [{ slotId: "a", parameters }]);

  collector.offer(texts[0] ?? "");
  assert.equal(found(), 1);
  collector.reset();
  assert.equal(found(), 0);

  fault(collector, shareText(stranger));
  assert.equal(found(), 0);

  collector.offer(texts[0] ?? "");
  collector.offer(hex);
  fault(collector, hex);
  assert.equal(found(), 2);
  assert.ok(collector.offer(texts[4] ?? "").seed);
  assert.equal(found(), 0);
});

test("REQ-6, REQ-26: of a set that is made only its shares stay, and nothing when they were zeroed", (t) => {
  const buffers = trackBuffers(t);
  const { shares } = createShamirSet(CLUSTER, 5, 3);
  const made = buffers();
  const secrets = [...shares.map(({ value }) => value), combineShares(shares.slice(0, 3))].map((bytes) =>
    bytes.toString("hex"),
  );
  const found = (): number =>
    made.filter((bytes) => secrets.some((secret) => bytes.toString("hex").includes(secret))).length;
  assert.equal(found(), 5);
  for (const { value } of shares) value.fill(0);
  assert.equal(found(), 0);
});

/** Sees every buffer that is made from now on by a function of `Buffer`. */
function trackBuffers(t: { mock: typeof import("node:test").mock }): () => readonly Buffer[] {
  const made: Buffer[] = [];
  for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow", "concat", "from"] as const) {
    const original = Buffer[name].bind(Buffer) as (...args: readonly unknown[]) => Buffer;
    t.mock.method(Buffer, name, (...args: readonly unknown[]) => {
      const buffer = original(...args);
      made.push(buffer);
      return buffer;
    });
  }
  return () => [...made];
}
