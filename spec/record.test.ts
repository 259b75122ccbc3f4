import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { KeyRecordSchema, SecretRecordSchema } from "@bunkms/contract/record";
import { secretKey } from "../packages/server/src/crypto/keys.ts";
import { XaesKey } from "../packages/server/src/crypto/xaes.ts";
import { openMemoryStore } from "../packages/server/src/store/memory.ts";
import type { Table } from "../packages/server/src/store/store.ts";
import { loadKeyring } from "../packages/server/src/vault/keyring.ts";
import { readKeyring } from "../packages/server/src/vault/keyring-record.ts";
import { NamedRecords, versionPath } from "../packages/server/src/vault/named-records.ts";
import { openRecord, RecordDamaged } from "../packages/server/src/vault/record.ts";
import { Root } from "../packages/server/src/vault/root.ts";
import { type RecordVersion, StateDigest, VaultState } from "../packages/server/src/vault/state.ts";
import { type KeyringVector, type RecordFile, type RecordVector, recordVectors } from "./vectors/record-vectors.ts";

const FILE = JSON.parse(readFileSync(new URL("vectors/record.json", import.meta.url), "utf8")) as RecordFile;

const key = (hex: string) => secretKey(Buffer.from(hex, "hex"));

function open({ barrier_keys, cluster, table, path, value }: RecordVector) {
  const keys = new Map(Object.entries(barrier_keys).map(([version, hex]) => [Number(version), new XaesKey(key(hex))]));
  return openRecord(keys, Buffer.from(cluster, "hex"), table as Table, path, Buffer.from(value, "hex"));
}

async function openKeyringVector({ root_key, cluster, value }: KeyringVector) {
  const store = openMemoryStore();
  await store.commit([{ table: "meta", path: "keyring", value: Buffer.from(value, "hex"), expected: 0 }]);
  const root = new Root(Buffer.from(cluster, "hex"), Buffer.from(root_key, "hex"));
  return loadKeyring((await readKeyring(store, root)).content);
}

test("record.json is what its generator makes", () => {
  assert.deepEqual(FILE, JSON.parse(JSON.stringify(recordVectors())));
});

for (const vector of FILE.records) {
  const title = vector.outcome === "damaged" ? "REQ-14, REQ-15: damaged record" : "record that opens";
  test(`${title}: ${vector.name}`, () => {
    switch (vector.outcome) {
      case "opens": {
        const { version, payload } = open(vector);
        assert.equal(version, vector.version);
        assert.equal(payload.toString("hex"), vector.payload);
        break;
      }
      case "damaged":
        assert.throws(() => open(vector), RecordDamaged);
        break;
      default:
        assert.fail(`unknown outcome ${vector.outcome}`);
    }
  });
}

for (const vector of FILE.keyrings) {
  test(`keyring: ${vector.name}`, async () => {
    switch (vector.outcome) {
      case "opens": {
        const keyring = await openKeyringVector(vector);
        assert.equal(keyring.barrierVersion, vector.barrier_version);
        const { index, token, audit, state, backup } = keyring;
        for (const [name, derived] of Object.entries({ index, token, audit, state, backup })) {
          assert.equal(derived.export().toString("hex"), vector.derived_keys?.[name], name);
        }
        // Its barrier keys are those of the records above.
        assert.equal(keyring.barrier.size, vector.barrier_version);
        const opened = FILE.records.find(({ name }) => name === "sealed by an older barrier key") as RecordVector;
        const cluster = Buffer.from(opened.cluster, "hex");
        const value = Buffer.from(opened.value, "hex");
        const { payload } = openRecord(keyring.barrier, cluster, opened.table as Table, opened.path, value);
        assert.equal(payload.toString("hex"), opened.payload);
        break;
      }
      case "damaged":
        await assert.rejects(openKeyringVector(vector), RecordDamaged);
        break;
      default:
        assert.fail(`unknown outcome ${vector.outcome}`);
    }
  });
}

test("named records lie where the vectors say", () => {
  for (const { index_key, table, name, path } of FILE.paths) {
    const records = { key: KeyRecordSchema, secret: SecretRecordSchema };
    const schema = records[table as keyof typeof records];
    const named = new NamedRecords(table as Table, schema, undefined as never, key(index_key), () => undefined);
    assert.equal(named.put(create(schema, { name }), null).path, path);
  }
  assert.equal(versionPath("00ff", 17), "00ff/0000000017");
});

for (const { name, state_key, records, digest } of FILE.digests) {
  test(`state digest: ${name}`, () => {
    const versions = records as readonly RecordVersion[];
    const whole = new StateDigest(key(state_key));
    for (const version of versions) {
      whole.add(version);
    }
    assert.equal(whole.value.toString("hex"), digest);
    // Step by step, in the other order, it comes to the same.
    let state = VaultState.EMPTY;
    for (const version of versions.toReversed()) {
      state = state.next(key(state_key), [version], false);
    }
    assert.equal(state.digest.toString("hex"), digest);
    assert.equal(state.generation, versions.length);
  });
}
