import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { test } from "node:test";
import { ownEntry } from "../../../server/src/audit/entry.ts";
import { testCalls } from "../../../server/src/boot/test-calls.ts";
import { RequestError } from "../errors.ts";
import { type BackedUpKey, sealKeyBackup } from "./seal-key-backup.ts";

const TIMES = [1_700_000_000_001, 1_700_000_000_002] as const;

function aesKey(changes: Partial<BackedUpKey> = {}): BackedUpKey {
  return {
    name: "orders",
    id: randomBytes(16),
    type: "aes-256",
    purpose: "encrypt",
    disabledAt: undefined,
    createdAt: TIMES[0],
    versions: TIMES.map((createdAt) => ({ createdAt, publicKey: new Uint8Array(), material: randomBytes(32) })),
    legacyVersions: 2,
    ...changes,
  };
}

function signingKey(type: "rsa-2048" | "ecdsa-p256"): BackedUpKey {
  const { publicKey, privateKey } =
    type === "rsa-2048"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const material = privateKey.export({ type: "pkcs8", format: "der" });
  const der = createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({
    type: "spki",
    format: "der",
  });
  const version = { createdAt: TIMES[0], publicKey: der, material };
  return aesKey({ name: type, type, purpose: "sign", versions: [version], legacyVersions: 0, disabledAt: TIMES[1] });
}

test("a key that was sealed here is restored by the cluster, with its id, times, versions and state", async () => {
  const calls = await testCalls();
  const { public_key_b64 } = await calls.call("system.backup_key", {});
  const backupKey = Buffer.from(public_key_b64 as string, "base64");
  for (const key of [aesKey(), signingKey("rsa-2048"), signingKey("ecdsa-p256")]) {
    const restored = await calls.call("keys.restore", { name: key.name, backup: sealKeyBackup(backupKey, key) });
    assert.equal(restored["id"], Buffer.from(key.id).toString("hex"));
    assert.equal(restored["created_at"], new Date(key.createdAt).toISOString());
    assert.equal(restored["state"], key.disabledAt === undefined ? "enabled" : "disabled");
    const revokedAt = restored["revoked_at"];
    assert.equal(revokedAt && Date.parse(revokedAt as string), key.disabledAt);
    assert.equal(restored["legacy_versions"], key.legacyVersions);
    const versions = restored["versions"] as { created_at: string }[];
    assert.deepEqual(
      versions.map((version) => Date.parse(version.created_at)),
      key.versions.map(({ createdAt }) => createdAt),
    );
  }
});

test("a key that opens the Go BunKMS's ciphertexts keeps that through a backup of its own", async () => {
  const calls = await testCalls();
  const { public_key_b64 } = await calls.call("system.backup_key", {});
  const key = aesKey();
  const sealed = sealKeyBackup(Buffer.from(public_key_b64 as string, "base64"), key);
  const restored = await calls.call("keys.restore", { name: "orders", backup: sealed });
  const { backup } = await calls.call("keys.backup", { name: "orders" });
  await calls.call("keys.schedule_deletion", { name: "orders", window_days: 7 });
  const { vault, committer } = calls.unsealed;
  const destroyed = await vault.keys.destroyDue("orders", calls.now + 8 * 86_400_000);
  await committer.submit(ownEntry("keys.destroy", "key/orders", calls.now), destroyed);
  assert.deepEqual(await calls.call("keys.restore", { name: "orders", backup: backup as string }), restored);
  assert.equal(restored["legacy_versions"], 2);
});

test("another cluster does not open it, and what cannot be a Go key's ciphertexts are not promised", async () => {
  const calls = await testCalls();
  const other = await testCalls();
  const keyOf = async ({ call }: typeof calls) =>
    Buffer.from((await call("system.backup_key", {}))["public_key_b64"] as string, "base64");
  const foreign = sealKeyBackup(await keyOf(other), aesKey());
  assert.equal(await calls.code("keys.restore", { name: "orders", backup: foreign }), "decryption_failed");
  const own = await keyOf(calls);
  for (const wrong of [
    aesKey({ legacyVersions: 3 }),
    aesKey({ purpose: "wrap" }),
    aesKey({ type: "aes-256-gcm" }),
    { ...signingKey("ecdsa-p256"), legacyVersions: 1 },
  ]) {
    assert.equal(
      await calls.code("keys.restore", { name: wrong.name, backup: sealKeyBackup(own, wrong) }),
      "invalid_request",
    );
  }
});

test("what is no sound X-Wing key gets nothing", async () => {
  const calls = await testCalls();
  const { public_key_b64 } = await calls.call("system.backup_key", {});
  const good = Buffer.from(public_key_b64 as string, "base64");
  // Coefficients above the modulus, and a point of small order.
  const above = Buffer.concat([good.subarray(0, 24), Buffer.alloc(1184, 0xff), good.subarray(-32)]);
  const small = Buffer.concat([good.subarray(0, -32), Buffer.alloc(32)]);
  for (const bad of [Buffer.alloc(0), good.subarray(0, -1), Buffer.concat([good, Buffer.of(0)]), above, small]) {
    assert.throws(() => sealKeyBackup(bad, aesKey()), RequestError);
  }
});
