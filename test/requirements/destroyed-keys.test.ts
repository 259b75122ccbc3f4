import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { testSeal } from "../../packages/server/src/boot/test-vault.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";

const DAY_MS = 86_400_000;
/** One of each size of record: 32 bytes, some hundred, some thousand. */
const TYPES = ["aes-256", "ed25519", "rsa-4096", "ml-dsa-87"] as const;

let folder: string;
const seal = testSeal();

before(() => {
  folder = mkdtempSync(join(tmpdir(), "bunkms-destroyed-"));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** The sealed bytes of a key's material, version by version, as they lie in the store. */
async function sealedMaterial(
  server: InProcessServer,
  store: Awaited<ReturnType<typeof openSqliteStore>>,
  name: string,
) {
  const { id } = await server.value("keys.get", { name });
  return (await store.list("key-material", { prefix: `${id as string}/`, limit: 100 })).map(({ value }) =>
    Buffer.from(value),
  );
}

/** Where any of these bytes, or a part of them, are in the files of the data folder. */
function findIn(records: readonly Buffer[]): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).flatMap((file) => {
    const path = join(folder, file);
    const content = readFileSync(path);
    // The end of a record too: a page that is used again may have overwritten the beginning.
    const left = records.filter((record) => content.includes(record) || content.includes(record.subarray(-24)));
    return left.map(() => file);
  });
}

test("REQ-12 destroyed material is gone from the store and from its free pages, and all else still works", async () => {
  const store = await openSqliteStore(folder);
  const server = await startInProcess({ store, seal });
  const kept: Buffer[] = [];
  const destroyed: Buffer[] = [];
  const ciphertexts = new Map<string, string>();
  for (const type of TYPES) {
    for (const fate of ["kept", "destroyed", "older"] as const) {
      const name = `${fate}-${type}`;
      await server.value("keys.create", { name, type });
      if (type === "aes-256") {
        const { ciphertext } = await server.value("keys.encrypt", { key_name: name, plaintext: "text" });
        ciphertexts.set(name, ciphertext as string);
      }
      await server.value("keys.rotate", { name });
      const material = await sealedMaterial(server, store, name);
      assert.equal(material.length, 2);
      (fate === "destroyed" ? destroyed : kept).push(material[1] as Buffer);
      (fate === "kept" ? kept : destroyed).push(material[0] as Buffer);
      if (fate === "destroyed") {
        await server.value("keys.schedule_deletion", { name, window_days: 7 });
      } else if (fate === "older") {
        await server.value("keys.schedule_version_deletion", { name, version: 1, window_days: 7 });
      }
    }
  }
  assert.ok(findIn(destroyed).length >= destroyed.length, "the search itself does not find what is there");
  await server.roundAt(Date.now() + 8 * DAY_MS);
  for (const type of TYPES) {
    assert.equal((await sealedMaterial(server, store, `destroyed-${type}`)).length, 0);
    assert.equal((await sealedMaterial(server, store, `older-${type}`)).length, 1);
  }
  for (const [name, ciphertext] of ciphertexts) {
    const opened = await server.call("keys.decrypt", { key_name: name, ciphertext });
    assert.equal(opened.code, name.startsWith("kept") ? "ok" : "wrong_key_state", name);
  }
  await server[Symbol.asyncDispose]();
  assert.deepEqual(findIn(destroyed), []);
  assert.ok(findIn(kept).length >= kept.length, "what was to be kept is gone");

  await using again = await startInProcess({ store: await openSqliteStore(folder), seal, rootToken: server.rootToken });
  for (const type of TYPES) {
    assert.equal((await again.value("keys.get", { name: `destroyed-${type}` }))["state"], "destroyed");
    const older = await again.value("keys.get", { name: `older-${type}` });
    assert.deepEqual(
      (older["versions"] as { state: string }[]).map(({ state }) => state),
      ["destroyed", "enabled"],
    );
    assert.equal(older["state"], "enabled");
  }
});

test("REQ-12 a preview says what a deletion would orphan: aliases, and when and how often each version was used", async () => {
  await using server = await startInProcess();
  await server.value("keys.create", { name: "used" });
  const { ciphertext } = await server.value("keys.encrypt", { key_name: "used", plaintext: "text" });
  await server.value("keys.rotate", { name: "used" });
  for (let i = 0; i < 3; i++) {
    await server.value("keys.decrypt", { key_name: "used", ciphertext: ciphertext as string });
  }
  for (const alias of ["b", "a"]) {
    await server.value("aliases.set", { alias, key_name: "used" });
  }
  const before = Date.now() - 60_000;
  const preview = await server.value("keys.preview_deletion", { name: "@a" });
  assert.deepEqual(preview["aliases"], ["a", "b"]);
  const versions = preview["versions"] as { uses: string; last_used_at?: string }[];
  assert.deepEqual(
    versions.map(({ uses, last_used_at }) => [uses, last_used_at !== undefined]),
    [
      ["4", true],
      ["0", false],
    ],
  );
  const lastUsed = Date.parse(preview["last_used_at"] as string);
  assert.ok(lastUsed > before && lastUsed <= Date.now() && lastUsed % 60_000 === 0);
  assert.equal(versions[0]?.last_used_at, preview["last_used_at"]);
  await server.value("keys.create", { name: "unused" });
  const unused = await server.value("keys.preview_deletion", { name: "unused" });
  assert.deepEqual([unused["aliases"], "last_used_at" in unused], [[], false]);
});

test("REQ-12 what was checked by an old version is a use of that version: a preview does not call it unused", async () => {
  await using server = await startInProcess();
  const message_b64 = Buffer.from("message").toString("base64");
  for (const [type, make, check, member] of [
    ["ed25519", "keys.sign", "keys.verify", "signature_b64"],
    ["hmac-sha256", "keys.generate_mac", "keys.verify_mac", "mac_b64"],
  ] as const) {
    await server.value("keys.create", { name: type, type });
    const made = (await server.value(make, { name: type, message_b64 }))[member] as string;
    await server.value("keys.rotate", { name: type });
    for (const version of [0, 0, 1]) {
      const checked = await server.value(check, { name: type, message_b64, [member]: made, version });
      assert.deepEqual(checked, { valid: true, version: 1 });
    }
    const { versions } = await server.value("keys.preview_deletion", { name: type });
    assert.deepEqual(
      (versions as { uses: string }[]).map(({ uses }) => uses),
      ["4", "0"],
      type,
    );
  }
});

test("REQ-12 a deletion is staged: every window that the contract allows, the day it names, and back", async () => {
  await using server = await startInProcess();
  for (const [window_days, days] of [
    [0, 30],
    [7, 7],
    [19, 19],
    [30, 30],
  ] as const) {
    const name = `window-${window_days}`;
    await server.value("keys.create", { name });
    const before = Date.now();
    const scheduled = await server.value("keys.schedule_deletion", { name, window_days });
    const at = Date.parse(scheduled["deletion_at"] as string);
    assert.ok(at >= before + days * DAY_MS && at <= Date.now() + days * DAY_MS, name);
    await server.roundAt(at - 1);
    assert.equal((await server.value("keys.get", { name }))["state"], "pending_deletion");
    const cancelled = await server.value("keys.cancel_deletion", { name });
    assert.deepEqual([cancelled["state"], "deletion_at" in cancelled], ["disabled", false]);
    await server.roundAt(at + 1);
    assert.equal((await server.value("keys.enable", { name }))["state"], "enabled");
    await server.value("keys.encrypt", { key_name: name, plaintext: "text" });
  }
});
