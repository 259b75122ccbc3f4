import assert from "node:assert/strict";
import { before, test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type KeyBackup, KeyBackupSchema } from "@bunkms/contract/record";
import { testCalls } from "../boot/test-calls.ts";
import { equal } from "../crypto/kdf.ts";
import { findKeyType } from "../crypto/key-types.ts";
import { readBackupContent } from "./backup-content.ts";

type Init = MessageInitShape<typeof KeyBackupSchema>;

const ID = Buffer.alloc(16, 7);

/** A backup's content as somebody who knows the format would make it up. */
async function madeUp(type = "ecdsa-p256"): Promise<KeyBackup> {
  const generated = (await findKeyType(type)?.generate()) ?? assert.fail();
  const key = { name: "made-up", id: ID, type, purpose: type === "aes-256" ? "encrypt" : "sign", state: "enabled" };
  return create(KeyBackupSchema, {
    key: { ...key, latestVersion: 1, createdAtMs: 1n, rotatedAtMs: 1n },
    versions: [
      { version: { createdAtMs: 1n, state: "enabled", publicKey: generated.publicKey }, material: generated.material },
    ],
  });
}

const bytesOf = (backup: KeyBackup): Buffer => Buffer.from(toBinary(KeyBackupSchema, backup));

let sound: KeyBackup;

before(async () => {
  sound = await madeUp();
});

async function refuses(code: string, change: (backup: KeyBackup) => void, from = sound): Promise<void> {
  const backup = fromBinary(KeyBackupSchema, bytesOf(from));
  change(backup);
  const bytes = bytesOf(backup);
  await assert.rejects(readBackupContent(bytes, Date.now()), { code }, String(change));
  assert.ok(equal(bytes, Buffer.alloc(bytes.length)), "the content is zeroed");
}

test("content that is sound is read, and zeroed", async () => {
  const bytes = bytesOf(sound);
  const { record, versions } = await readBackupContent(bytes, Date.now());
  assert.equal(record.name, "made-up");
  assert.ok(equal(record.id, ID));
  assert.equal(versions.length, 1);
  assert.ok(equal(versions[0]?.record.publicKey ?? ID, sound.versions[0]?.version?.publicKey ?? ID));
  assert.ok(equal(bytes, Buffer.alloc(bytes.length)));
});

test("what is not a key of the declared type, with its own public keys, is refused", async () => {
  const other = await madeUp();
  await refuses("invalid_request", ({ versions }) => {
    (versions[0] as { version: object }).version = other.versions[0]?.version as object;
  });
  await refuses("invalid_key_material", ({ versions }) => {
    (versions[0] as { material: Uint8Array }).material = Buffer.alloc(32);
  });
  await refuses("invalid_key_material", ({ key }) => Object.assign(key as object, { type: "ecdsa-p384" }));
  await refuses("unsupported_key_type", ({ key }) => Object.assign(key as object, { type: "none" }));
  await refuses("unsupported_key_type", (backup) => {
    delete (backup as { key?: unknown }).key;
  });
});

test("what no key of ours could be is refused", async () => {
  const changes: readonly Init["key"][] = [
    { purpose: "" },
    { purpose: "encrypt" },
    { state: "destroyed" },
    { state: "pending_import" },
    { state: "none" },
    { id: Buffer.alloc(15) },
    { latestVersion: 0 },
    { latestVersion: 2 },
    { minDecryptionVersion: 2 },
    { minEncryptionVersion: 2 },
    { derived: true },
    { deterministic: true },
    { rotationPeriodSeconds: 1 },
    { createdAtMs: -1n },
    { createdAtMs: 253_402_300_800_000n },
    { rotatedAtMs: -1n },
    { tags: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`t${i}`, ""])) },
  ];
  for (const change of changes) {
    await refuses("invalid_request", ({ key }) => Object.assign(key as object, change));
  }
  const versions: readonly object[] = [{ state: "pending_import" }, { state: "destroyed" }, { createdAtMs: -1n }];
  for (const change of versions) {
    await refuses("invalid_request", (backup) => Object.assign(backup.versions[0]?.version as object, change));
  }
  await refuses("invalid_request", (backup) => {
    backup.versions.length = 0;
  });
  for (const usage of [{ version: 2 }, { version: 0 }, { version: 1, lastUsedAtMs: -1n }]) {
    await refuses("invalid_request", (backup) => {
      backup.usage = create(KeyBackupSchema, { usage: { versions: [usage] } }).usage as NonNullable<KeyBackup["usage"]>;
    });
  }
});

test("REQ-17: content in another encoding, or with fields of a newer version, is refused", async () => {
  const bytes = bytesOf(sound);
  for (const wrong of [
    Buffer.concat([bytes, Buffer.from([0x22, 0x00])]),
    Buffer.concat([bytes, Buffer.from([0x0a, 0x02, 0x40, 0x01])]),
    bytes.subarray(0, -1),
    Buffer.from("no message"),
    Buffer.alloc(0),
  ]) {
    await assert.rejects(readBackupContent(Buffer.from(wrong), Date.now()), (error: { code?: string }) =>
      ["invalid_request", "unsupported_key_type"].includes(error.code ?? ""),
    );
  }
});

test("the vault's own backups hold what was written, in the one encoding", async () => {
  const { call, unsealed } = await testCalls();
  await call("keys.create", { name: "own", tags: { z: "1", a: "2", 7: "3" } });
  const { backups, keys } = unsealed.vault;
  const { result: sealed } = await backups.seal("own", backups.own);
  await assert.rejects(backups.restore("own-2", sealed, Date.now()), { code: "already_exists" });
  assert.equal((await keys.get("own")).latestVersion, 1);
});
