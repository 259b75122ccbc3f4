import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { secretKey } from "../crypto/keys.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Table } from "../store/store.ts";
import { loadKeyring, newKeyring } from "./keyring.ts";
import { Records } from "./records.ts";
import { VaultRolledBack } from "./rolled-back.ts";
import { type RecordVersion, StateDigest, VaultState } from "./state.ts";

const KEY = Buffer.alloc(32, 1);

function digestOf(...records: readonly RecordVersion[]): string {
  const digest = new StateDigest(secretKey(KEY));
  for (const record of records) {
    digest.add(record);
  }
  return digest.value.toString("hex");
}

function macOf(text: string): string {
  return createHmac("sha256", KEY).update(text).digest("hex");
}

test("the digest of a record is HMAC-SHA-256 over table, path and version, all of it, with what is not ASCII in UTF-8", () => {
  assert.equal(digestOf({ table: "key", path: "a", version: 1 }), macOf("key\0a\x001"));
  assert.equal(digestOf({ table: "key", path: "\u0161", version: 12 }), macOf("key\0\u0161\x0012"));
  const { digest } = VaultState.EMPTY.next(secretKey(KEY), [{ table: "key", path: "a", version: 1 }], false);
  assert.equal(digest.toString("hex"), macOf("key\0a\x001"));
});

test("a change takes the old version out of the digest and leaves what was before as it is", () => {
  const key = secretKey(KEY);
  const [old, other, changed]: readonly RecordVersion[] = [
    { table: "key", path: "a", version: 1 },
    { table: "token", path: "a", version: 1 },
    { table: "key", path: "a", version: 2 },
  ];
  assert.ok(old && other && changed);
  const first = VaultState.EMPTY.next(key, [old, other], true);
  const second = first.next(key, [old, changed], false);
  assert.equal(first.digest.toString("hex"), digestOf(old, other));
  assert.equal(second.digest.toString("hex"), digestOf(changed, other));
  assert.deepEqual(
    [first, second].map(({ generation, keyringGeneration }) => [generation, keyringGeneration]),
    [
      [1, 1],
      [2, 1],
    ],
  );
  assert.deepEqual(VaultState.decode(second.encode()), second);
  assert.deepEqual(VaultState.EMPTY.digest, Buffer.alloc(32));
});

test("REQ-15 in each table whose records change, an older one put back, one removed and one brought back are noticed", async () => {
  const tables: readonly Table[] = [
    "key",
    "key-version",
    "key-usage",
    "alias",
    "import-key",
    "secret",
    "secret-version",
    "token",
    "audit-key",
    "audit-retention",
    "attachment",
  ];
  for (const table of tables) {
    const store = openMemoryStore();
    const keyring = loadKeyring(newKeyring());
    const records = new Records(store, Buffer.alloc(16, 1), keyring);
    const commit = async (path: string, payload: Buffer | null, batch: string) => {
      const previous = (await records.read(table, path))?.ref ?? null;
      await records.commit([{ table, path, payload, previous }], { path: batch, payload: Buffer.alloc(0) });
    };
    const put = async (path: string, value: Uint8Array | null) => {
      const expected = (await store.get(table, path))?.revision ?? 0;
      await store.commit([{ table, path, value, expected }]);
    };
    await commit("kept", Buffer.from("old"), "a");
    await commit("gone", Buffer.from("old"), "b");
    const older = (await store.get(table, "kept"))?.value as Uint8Array;
    const removed = (await store.get(table, "gone"))?.value as Uint8Array;
    await commit("kept", Buffer.from("new"), "c");
    await commit("gone", null, "d");
    const newest = (await store.get(table, "kept"))?.value as Uint8Array;
    await records.verifyState(0);
    for (const [path, value, whole] of [
      ["kept", older, newest],
      ["kept", null, newest],
      ["gone", removed, null],
    ] as const) {
      await put(path, value);
      await assert.rejects(records.verifyState(0), VaultRolledBack, `${table} ${path}`);
      await put(path, whole);
      await records.verifyState(0);
    }
  }
});

test("REQ-15 a keyring that is older than the one last written is noticed, and one that nobody wrote", async () => {
  const records = new Records(openMemoryStore(), Buffer.alloc(16, 1), loadKeyring(newKeyring()));
  const keyring = { table: "meta" as const, path: "keyring", payload: Buffer.from("sealed by the root key") };
  const write = async (batch: string, previous: null | { revision: number; version: number }) =>
    (await records.commit([{ ...keyring, previous }], { path: batch, payload: Buffer.alloc(0) }))[0] ?? null;
  const ref = await write("a", null);
  await records.verifyState(1);
  await write("b", ref);
  await records.verifyState(2);
  for (const version of [0, 1, 3]) {
    await assert.rejects(records.verifyState(version), VaultRolledBack, `${version}`);
  }
});
