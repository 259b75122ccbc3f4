import assert from "node:assert/strict";
import { test } from "node:test";
import { secretKey } from "../crypto/keys.ts";
import { randomBytes } from "../crypto/random.ts";
import { XaesKey } from "../crypto/xaes.ts";
import { openRecord, RecordDamaged, sealRecord } from "./record.ts";

const KEY = new XaesKey(secretKey(randomBytes(32)));
const KEYS = new Map([[1, KEY]]);
const CLUSTER = randomBytes(16);
const ADDRESS = { cluster: CLUSTER, table: "key", path: "ab/cd", version: 7 } as const;
const PAYLOAD = Buffer.from("payload");
const SEALED = sealRecord(KEY, 1, ADDRESS, PAYLOAD);

const damaged = (value: Uint8Array, at: Partial<{ cluster: Buffer; table: "key" | "token"; path: string }> = {}) => {
  const { cluster, table, path } = { ...ADDRESS, ...at };
  assert.throws(() => openRecord(KEYS, cluster, table, path, value), RecordDamaged);
};

test("a record opens where it was sealed for", () => {
  assert.deepEqual(openRecord(KEYS, CLUSTER, "key", "ab/cd", SEALED), { version: 7, payload: PAYLOAD });
});

test("REQ-14: a record with any single bit changed does not open", () => {
  for (let bit = 0; bit < SEALED.length * 8; bit++) {
    const changed = Buffer.from(SEALED);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    damaged(changed);
  }
});

test("REQ-14: a record cut short or made longer does not open", () => {
  for (let length = 0; length < SEALED.length; length++) {
    damaged(SEALED.subarray(0, length));
  }
  damaged(Buffer.concat([SEALED, Buffer.of(0)]));
});

test("REQ-15: a record moved to another path, table or cluster does not open", () => {
  damaged(SEALED, { path: "ab/ce" });
  damaged(SEALED, { path: "ab/cd0" });
  damaged(SEALED, { table: "token" });
  damaged(SEALED, { cluster: randomBytes(16) });
});

test("a record sealed by a key that is not in the keyring does not open", () => {
  damaged(sealRecord(KEY, 2, ADDRESS, PAYLOAD));
  damaged(sealRecord(new XaesKey(secretKey(randomBytes(32))), 1, ADDRESS, PAYLOAD));
});
