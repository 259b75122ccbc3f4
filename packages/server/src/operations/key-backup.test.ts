import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { create, type JsonObject, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { KeyBackupSchema, type KeyRecordSchema } from "@bunkms/contract/record";
import { formsOf } from "../../../../test/requirements/canaries.ts";
import { seeded } from "../../../../test/vectors/seeded.ts";
import { ownEntry } from "../audit/entry.ts";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { testSeal } from "../boot/test-vault.ts";
import { keyTypeNames } from "../crypto/key-types.ts";
import { Periodic } from "../pipeline/periodic.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { encodeBackup, sealBackup } from "../vault/backup-form.ts";

const DAY_MS = 86_400_000;

/** The cluster that makes backups, and another one, in a data folder of its own. */
let calls: TestCalls;
let other: TestCalls;
let folder: string;
const materials: Buffer[] = [];

before(async () => {
  calls = await testCalls();
  folder = mkdtempSync(join(tmpdir(), "bunkms-backup-"));
  other = await testCalls(await openSqliteStore(folder), testSeal());
});

after(async () => {
  await other.store.close();
  rmSync(folder, { recursive: true });
});

async function backup(name: string, recipient = ""): Promise<string> {
  const made = await calls.call("keys.backup", { name, recipient_public_key_b64: recipient });
  return made["backup"] as string;
}

async function otherCluster(): Promise<string> {
  return (await other.call("system.backup_key", {}))["public_key_b64"] as string;
}

/** Destroys a key, as the periodic work does once its window has passed. */
async function destroy(name: string): Promise<void> {
  await calls.call("keys.schedule_deletion", { name, window_days: 7 });
  const { vault, committer } = calls.unsealed;
  const plan = await vault.keys.destroyDue(name, calls.now + 8 * DAY_MS);
  await committer.submit(ownEntry("keys.destroy", `key/${name}`, calls.now), plan);
}

const encrypt = async (name: string, plaintext: string): Promise<string> =>
  (await calls.call("keys.encrypt", { key_name: name, plaintext }))["ciphertext"] as string;

test("a destroyed key comes back with its id, versions and settings, and its ciphertexts decrypt again", async () => {
  const name = "invoices";
  const settings = { description: "for invoices", tags: { team: "billing" }, rotation_period_seconds: 86_400 };
  await calls.call("keys.create", { name, ...settings });
  const first = await encrypt(name, "first");
  await calls.call("keys.rotate", { name });
  const second = await encrypt(name, "second");
  await calls.call("keys.disable_version", { name, version: 1 });
  const before = await calls.call("keys.get", { name });
  const text = await backup(name);
  assert.equal(await calls.code("keys.restore", { name, backup: text }), "already_exists");
  await destroy(name);
  assert.equal(await calls.code("keys.decrypt", { key_name: name, ciphertext: second }), "wrong_key_state");
  const restored = await calls.call("keys.restore", { name, backup: text });
  assert.deepEqual(restored, before);
  assert.deepEqual(await calls.call("keys.get", { name }), before);
  assert.equal((await calls.call("keys.decrypt", { key_name: name, ciphertext: second }))["plaintext"], "second");
  assert.equal(await calls.code("keys.decrypt", { key_name: name, ciphertext: first }), "wrong_key_state");
  await calls.call("keys.enable_version", { name, version: 1 });
  assert.equal((await calls.call("keys.decrypt", { key_name: name, ciphertext: first }))["plaintext"], "first");
  assert.equal((await calls.call("keys.rotate", { name }))["latest_version"], 3);
});

test("versions that are newer than the backup stay destroyed, and their numbers are given to no other", async () => {
  const name = "outdated";
  await calls.call("keys.create", { name });
  const first = await encrypt(name, "first");
  const text = await backup(name);
  await calls.call("keys.rotate", { name });
  const second = await encrypt(name, "second");
  await destroy(name);
  const { versions } = await calls.call("keys.restore", { name, backup: text });
  const states = (versions as JsonObject[]).map(({ version, state }) => [version, state]);
  assert.deepEqual(states, [
    [1, "enabled"],
    [2, "destroyed"],
  ]);
  assert.equal((await calls.call("keys.decrypt", { key_name: name, ciphertext: first }))["plaintext"], "first");
  assert.equal(await calls.code("keys.decrypt", { key_name: name, ciphertext: second }), "wrong_key_state");
  assert.equal((await calls.call("keys.rotate", { name }))["latest_version"], 3);
  assert.equal(await calls.code("keys.encrypt", { key_name: name, plaintext: "third" }), "ok");
});

test("every type goes to another cluster and works there as it did, under another name as well", async () => {
  const recipient = await otherCluster();
  for (const type of keyTypeNames().filter((name) => name !== "rsa-4096")) {
    await calls.call("keys.create", { name: type, type, exportable: true });
    materials.push(await calls.unsealed.vault.keys.material(await calls.unsealed.vault.keys.get(type), 1));
    const name = `${type}-restored`;
    const restored = await other.call("keys.restore", { name, backup: await backup(type, recipient) });
    assert.deepEqual({ ...restored, name: type }, await calls.call("keys.get", { name: type }), type);
    const [here, there] = await Promise.all([
      calls.unsealed.vault.keys.material(await calls.unsealed.vault.keys.get(type), 1),
      other.unsealed.vault.keys.material(await other.unsealed.vault.keys.get(name), 1),
    ]);
    assert.deepEqual(there, here, type);
  }
  const ciphertext = await encrypt("aes-256", "across");
  const opened = await other.call("keys.decrypt", { key_name: "aes-256-restored", ciphertext });
  assert.equal(opened["plaintext"], "across");
});

test("a backup opens in the cluster that it is for, and in no other", async () => {
  await calls.call("keys.create", { name: "mine", exportable: true });
  const own = await backup("mine");
  const foreign = await backup("mine", await otherCluster());
  assert.equal(await other.code("keys.restore", { name: "mine", backup: own }), "decryption_failed");
  assert.equal(await calls.code("keys.restore", { name: "back", backup: foreign }), "decryption_failed");
  assert.equal(await other.code("keys.restore", { name: "mine", backup: foreign }), "ok");
});

test("a key that was not created exportable goes to no other cluster, whoever that is", async () => {
  await calls.call("keys.create", { name: "staying" });
  const request = { name: "staying", recipient_public_key_b64: await otherCluster() };
  assert.equal(await calls.code("keys.backup", request), "wrong_key_usage");
  const { public_key_b64 } = await calls.call("system.backup_key", {});
  assert.equal(
    await calls.code("keys.backup", { ...request, recipient_public_key_b64: public_key_b64 as string }),
    "ok",
  );
});

test("COSMIAN-2026-003: nothing is replaced: not a key of the name, nor another with the id, nor another's destroyed self", async () => {
  await calls.call("keys.create", { name: "there", exportable: true });
  const text = await backup("there");
  assert.equal(await calls.code("keys.restore", { name: "there-too", backup: text }), "already_exists");
  await destroy("there");
  assert.equal(await calls.code("keys.restore", { name: "there-too", backup: text }), "already_exists");
  await calls.call("keys.create", { name: "another" });
  await destroy("another");
  assert.equal(await calls.code("keys.restore", { name: "another", backup: text }), "already_exists");
  assert.equal(await calls.code("keys.restore", { name: "there", backup: text }), "ok");
});

test("a made-up backup does not bring other material back under a destroyed key's name and id", async () => {
  const { id } = await calls.call("keys.create", { name: "forged-self" });
  const own = await backup("forged-self");
  await destroy("forged-self");
  const forge = (change: MessageInitShape<typeof KeyRecordSchema>, material: Buffer): string => {
    const now = BigInt(calls.now);
    const key = { name: "zz", id: Buffer.from(id as string, "hex"), type: "aes-256", purpose: "encrypt", ...change };
    const content = create(KeyBackupSchema, {
      key: { ...key, state: "enabled", latestVersion: 1, createdAtMs: now, rotatedAtMs: now },
      versions: [{ version: { createdAtMs: now, state: "enabled" }, material }],
      usage: {},
    });
    const bytes = Buffer.from(toBinary(KeyBackupSchema, content));
    return encodeBackup(sealBackup(calls.unsealed.vault.backups.own, bytes));
  };
  const restore = (text: string, name = "forged-self") => calls.code("keys.restore", { name, backup: text });
  assert.equal(await restore(forge({}, Buffer.alloc(32, 0x41))), "already_exists");
  assert.equal(await restore(forge({ exportable: true }, Buffer.alloc(32, 0x41))), "already_exists");
  const elsewhere = { id: Buffer.alloc(16, 7) };
  for (const change of [
    { description: "d".repeat(1025) },
    { tags: { "a b": "c" } },
    { tags: { a: "v".repeat(257) } },
    { rotationPeriodSeconds: 60 },
  ]) {
    assert.equal(await restore(forge({ ...elsewhere, ...change }, Buffer.alloc(32, 1)), "forged"), "invalid_request");
  }
  assert.equal(await restore(own), "ok");
});

test("COSMIAN-2026-011: of several restorations at the same time one is done, under one name or several", async () => {
  await calls.call("keys.create", { name: "raced", exportable: true });
  const text = await backup("raced", await otherCluster());
  const names = ["raced", "raced", "raced-2", "raced-3"];
  const outcomes = await Promise.all(names.map((name) => other.code("keys.restore", { name, backup: text })));
  assert.deepEqual(outcomes.toSorted(), ["already_exists", "already_exists", "already_exists", "ok"]);
});

test("what was pending deletion comes back disabled; a destroyed version stays so; there is no backup of nothing", async () => {
  const name = "pending";
  await calls.call("keys.create", { name, exportable: true });
  await calls.call("keys.rotate", { name });
  await calls.call("keys.rotate", { name });
  await calls.call("keys.schedule_version_deletion", { name, version: 1, window_days: 7 });
  const { vault, committer } = calls.unsealed;
  const plan = await vault.keys.destroyDue(name, calls.now + 8 * DAY_MS);
  await committer.submit(ownEntry("keys.destroy", `key/${name}`, calls.now), plan);
  await calls.call("keys.schedule_version_deletion", { name, version: 2 });
  await calls.call("keys.schedule_deletion", { name });
  const restored = await other.call("keys.restore", { name, backup: await backup(name, await otherCluster()) });
  assert.equal(restored["state"], "disabled");
  assert.equal(restored["deletion_at"], undefined);
  assert.deepEqual(
    (restored["versions"] as JsonObject[]).map(({ state, deletion_at }) => [state, deletion_at]),
    [
      ["destroyed", undefined],
      ["disabled", undefined],
      ["enabled", undefined],
    ],
  );
  assert.equal((await vault.keys.get(name)).state, "pending_deletion");
  await calls.call("keys.create", { name: "waiting", imported: true });
  assert.equal(await calls.code("keys.backup", { name: "waiting" }), "wrong_key_state");
  await calls.call("keys.create", { name: "gone" });
  await destroy("gone");
  assert.equal(await calls.code("keys.backup", { name: "gone" }), "wrong_key_state");
});

test("what was spent of a budget is spent in the restored key, too", async () => {
  const name = "budget";
  await calls.call("keys.create", { name, type: "aes-256-gcm", exportable: true });
  await encrypt(name, "text");
  const { id } = await calls.unsealed.vault.keys.get(name);
  await other.call("keys.restore", { name, backup: await backup(name, await otherCluster()) });
  const spent = async ({ unsealed }: TestCalls) => (await unsealed.vault.usage.stored(id)).versions[0]?.reserved;
  assert.ok(((await spent(calls)) ?? 0n) > 0n);
  assert.equal(await spent(other), await spent(calls));
});

test("REQ-16 a key with a budget rotates by itself where nothing is known of what was spent since its backup", async () => {
  await calls.call("keys.create", { name: "spent-elsewhere", type: "aes-256-gcm", exportable: true });
  await other.call("keys.restore", {
    name: "spent-elsewhere",
    backup: await backup("spent-elsewhere", await otherCluster()),
  });
  const { vault, tokens, committer } = other.unsealed;
  await new Periodic({
    vault,
    tokens,
    committer,
    clock: () => other.now,
    onFailure: (error) => assert.fail(String(error)),
  }).round();
  assert.equal((await vault.keys.get("spent-elsewhere")).latestVersion, 2);
});

test("REQ-14, REQ-17: a backup with any bit changed, cut, longer, or in another spelling gives one and the same error", async () => {
  const { seed, below } = seeded();
  await calls.call("keys.create", { name: "flipped" });
  const text = await backup("flipped");
  const bytes = Buffer.from(text, "base64");
  const wrong = [
    ...[0, 3, 36, 37, 1157, bytes.length - 1].map((length) => bytes.subarray(0, length).toString("base64")),
    Buffer.concat([bytes, Buffer.alloc(1)]).toString("base64"),
    bytes.toString("base64url"),
    `${text}\n`,
    `${text}=`,
  ].filter((each) => each !== "" && each !== text);
  // Each bit of the header, and some of the rest.
  for (let i = 0; i < 8 * 37 + 200; i++) {
    const changed = Buffer.from(bytes);
    const at = i < 8 * 37 ? i >> 3 : below(changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << (i < 8 * 37 ? i & 7 : below(8)));
    wrong.push(changed.toString("base64"));
  }
  const { vault } = calls.unsealed;
  for (const each of wrong) {
    await assert.rejects(
      calls.call("keys.restore", { name: "unflipped", backup: each }),
      {
        code: "decryption_failed",
        message: "the backup cannot be opened: it is damaged, or for another cluster",
      },
      `seed ${seed}`,
    );
  }
  assert.equal(vault.backups.own.fingerprint.length, 32);
});

test("a recipient's key that is none is refused", async () => {
  await calls.call("keys.create", { name: "addressed", exportable: true });
  const request = { name: "addressed", recipient_public_key_b64: randomBytes(1240).toString("base64") };
  assert.equal(await calls.code("keys.backup", request), "invalid_public_key");
  // It is the caller's mistake, and none of the server's that its operator should look at.
  assert.deepEqual(calls.failures, []);
});

test("the backup key is the vault's for good, and its fingerprint is in the audit log of what was sealed to it", async () => {
  const first = await calls.call("system.backup_key", {});
  assert.deepEqual(await calls.call("system.backup_key", {}), first);
  await calls.call("keys.create", { name: "logged", exportable: true });
  await backup("logged");
  await backup("logged", await otherCluster());
  const { entries } = await calls.call("audit.list", { resource: "key/logged", operation: "keys.backup" });
  const recipients = (entries as { response: { recipient_fingerprint: string } }[]).map(({ response }) => response);
  assert.deepEqual(recipients, [
    { recipient_fingerprint: (await other.call("system.backup_key", {}))["fingerprint"] },
    { recipient_fingerprint: first["fingerprint"] },
  ]);
});

test("REQ-06: no material that came in by a backup lies readable in the data folder", () => {
  const content = Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
  assert.ok(content.length > 100_000 && materials.length > 40);
  for (const material of materials) {
    assert.ok(formsOf(material.subarray(-32)).every((form) => !content.includes(form)));
  }
});

test("nothing went wrong inside", () => {
  assert.deepEqual(calls.failures, []);
  assert.deepEqual(other.failures, []);
});
