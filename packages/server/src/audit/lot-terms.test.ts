import assert from "node:assert/strict";
import { createHmac, createSecretKey } from "node:crypto";
import { test } from "node:test";
import { encodeEntry, ownEntry } from "./entry.ts";
import { findInShard, LotTerms, SHARDS, shardOf, termOf } from "./lot-terms.ts";

const KEY = createSecretKey(Buffer.alloc(32, 7));
const FINGERPRINT = Buffer.alloc(32, 3);
const START = 1_764_000_000_000;

/** Terms of a lot whose entry at each position has this resource. */
function termsOf(resources: readonly string[], from = 0): LotTerms {
  const terms = new LotTerms(KEY, from);
  for (const [i, resource] of resources.entries()) {
    terms.add(ownEntry("test", resource, START + (i === 1 ? -5 : i)));
  }
  return terms;
}

const resource = (value: string): string => termOf(KEY, { field: "resource", value });

test("a term is the beginning of an HMAC over field and value, so that equal values of two fields differ", () => {
  for (const field of ["identity", "resource"] as const) {
    const whole = createHmac("sha256", KEY).update(`${field}\0key/k`).digest("hex");
    assert.equal(termOf(KEY, { field, value: "key/k" }), whole.slice(0, 12));
    assert.equal(shardOf(whole.slice(0, 12)), Number(`0x${whole[0]}`));
  }
});

test("a lot's records tell, in the one that has a term, where it is and when the oldest entry was", () => {
  const names = Array.from({ length: 4096 }, (_, i) => (i % 3 === 0 ? "" : `key/${i % 100}`));
  const shards = [...termsOf(names).encode(FINGERPRINT)];
  assert.equal(shards.length, SHARDS);
  for (const name of [...new Set(names), "key/none"]) {
    const term = resource(name);
    const found = findInShard(shards[shardOf(term)] as Buffer, FINGERPRINT, term);
    const positions = name === "" ? [] : names.flatMap((other, i) => (other === name ? [i] : []));
    assert.deepEqual(found, { positions, oldest: START - 5 });
  }
});

test("id and name of one caller are one identity", () => {
  const terms = new LotTerms(KEY, 10);
  const identity = { id: "ab", name: "ab", role: "user" };
  for (const [id, name] of [
    ["ab", "ab"],
    ["ab", "app"],
    ["cd", "ab"],
  ] as const) {
    const call = { requestId: "", operation: "", resource: "", outcome: "", source: "", transport: "" };
    terms.add(encodeEntry({ ...call, time: START, identity: { ...identity, id, name }, request: {}, response: {} }));
  }
  const found = (value: string) => terms.matches(termOf(KEY, { field: "identity", value })).positions;
  assert.deepEqual([found("ab"), found("app"), found("cd")], [[10, 11, 12], [11], [12]]);
});

test("what came before is taken over, and what comes after is added to it", () => {
  const names = ["key/a", "key/b", "key/a", "key/c", "key/a", "key/b"];
  const terms = termsOf(names.slice(3, 5), 3);
  terms.absorb(termsOf(names.slice(0, 3)));
  terms.add(ownEntry("test", "key/b", START));
  assert.deepEqual([terms.from, terms.end], [0, 6]);
  assert.deepEqual(terms.matches(resource("key/a")), { positions: [0, 2, 4], oldest: START - 5 });
  assert.deepEqual(terms.matches(resource("key/b")).positions, [1, 5]);
  assert.deepEqual([...terms.encode(FINGERPRINT)], [...termsOf(names).encode(FINGERPRINT)]);
});

test("a lot of which no time is known ends no search by it", () => {
  const terms = new LotTerms(KEY, 0);
  terms.add(Buffer.from("{}"));
  const [shard] = terms.encode(FINGERPRINT);
  assert.deepEqual(findInShard(shard as Buffer, FINGERPRINT, "0".repeat(12)), {
    positions: [],
    oldest: Number.MAX_SAFE_INTEGER,
  });
});

test("a record of other entries, of another format or cut short says nothing", () => {
  const term = resource("key/a");
  const shard = [...termsOf(["key/a", "key/b"]).encode(FINGERPRINT)][shardOf(term)] as Buffer;
  assert.deepEqual(findInShard(shard, FINGERPRINT, term)?.positions, [0]);
  assert.equal(findInShard(shard, Buffer.alloc(32, 4), term), undefined);
  assert.equal(findInShard(Buffer.concat([Buffer.of(2), shard.subarray(1)]), FINGERPRINT, term), undefined);
  for (let length = 0; length < shard.length; length++) {
    const found = findInShard(shard.subarray(0, length), FINGERPRINT, term);
    // The head alone is what a lot has whose other records have all terms.
    assert.deepEqual(found, length === 41 ? { positions: [], oldest: START - 5 } : undefined);
  }
});
