import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { recipientOf } from "../packages/server/src/crypto/hpke.ts";
import { secretKey } from "../packages/server/src/crypto/keys.ts";
import { SealFailure } from "../packages/server/src/seal/seal.ts";
import { readShamirParameters, shamirOpener, shamirSeal } from "../packages/server/src/seal/shamir.ts";
import { clusterFingerprint, parseShare, ShareError, shareText } from "../packages/server/src/seal/share.ts";
import { ShareCollector } from "../packages/server/src/seal/share-collector.ts";
import { type OfferVector, type ShareFile, type ShareVector, shareFile } from "./vectors/share-vectors.ts";

const FILE = JSON.parse(readFileSync(new URL("vectors/share.json", import.meta.url), "utf8")) as ShareFile;

test("share.json is what its generator makes, but for what HPKE draws", () => {
  const drawn = ({ shares, sets }: ShareFile) => ({
    shares,
    sets: sets.map((set) => ({
      ...set,
      wrapped: set.wrapped.length,
      forged: set.forged.map(({ name, wrapped }) => ({ name, wrapped: wrapped.length })),
    })),
  });
  assert.deepEqual(drawn(FILE), JSON.parse(JSON.stringify(drawn(shareFile()))));
});

function read({ text }: ShareVector) {
  try {
    return { outcome: "reads", share: parseShare(text) };
  } catch (error) {
    assert.ok(error instanceof ShareError);
    return { outcome: error.reason };
  }
}

for (const vector of FILE.shares) {
  test(`REQ-26: share: ${vector.name}`, () => {
    const { outcome, share } = read(vector);
    assert.equal(outcome, vector.outcome);
    if (share === undefined) return;
    assert.deepEqual(share.fingerprint, clusterFingerprint(Buffer.from(vector.cluster ?? "", "hex")));
    assert.deepEqual(
      [share.set.toString("hex"), share.index, share.threshold, share.value.toString("hex")],
      [vector.set, vector.number, vector.threshold, vector.value],
    );
  });
}

for (const set of FILE.sets) {
  test(`REQ-26: shares of a set: ${set.name}`, async () => {
    const [cluster, parameters] = [Buffer.from(set.cluster, "hex"), Buffer.from(set.parameters, "hex")];
    const seed = secretKey(Buffer.from(set.seed, "hex"));
    assert.deepEqual(readShamirParameters(parameters).publicKey, recipientOf(seed).spki);
    assert.deepEqual(
      set.shares.map((text) => shareText(parseShare(text))),
      set.shares,
    );
    const collector = new ShareCollector(cluster, [{ slotId: "a", parameters }]);
    let opened = seed;
    const offer = ({ text }: OfferVector): string => {
      try {
        const { seed: given } = collector.offer(text);
        if (given === undefined) return "counts";
        opened = given;
        return "opens";
      } catch (error) {
        assert.ok(error instanceof ShareError);
        return error.reason;
      }
    };
    for (const vector of set.offers) assert.equal(offer(vector), vector.outcome, vector.name);
    assert.notEqual(opened, seed);
    assert.ok(opened.equals(seed));
    const { signal } = new AbortController();
    const opener = shamirOpener(parameters, opened);
    const context = Buffer.from(set.context, "hex");
    const rootKey = await opener.unwrap(Buffer.from(set.wrapped, "hex"), context, signal);
    assert.equal(rootKey.toString("hex"), set.root_key);
    const again = await shamirSeal(parameters, Buffer.from(set.psk, "hex")).wrap(rootKey, context, signal);
    assert.deepEqual(await opener.unwrap(again, context, signal), rootKey);
    for (const { name, wrapped } of set.forged) {
      await assert.rejects(opener.unwrap(Buffer.from(wrapped, "hex"), context, signal), SealFailure, name);
    }
  });
}
