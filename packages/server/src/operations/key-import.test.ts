import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants, createPublicKey, publicEncrypt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { seeded } from "../../../../test/vectors/seeded.ts";
import { ownEntry } from "../audit/entry.ts";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import type { KeyType } from "../crypto/key-type.ts";
import { findKeyType, keyTypeNames, materialFormat } from "../crypto/key-types.ts";
import { kwpWrap } from "../crypto/key-wrap.ts";
import { randomBytes } from "../crypto/random.ts";

const HOUR_MS = 3_600_000;
const OAEP = "rsa-oaep-sha256";
const AES_WRAP = "rsa-aes-key-wrap-sha256";

let calls: TestCalls;
let folder: string;
let made = 0;

before(async () => {
  calls = await testCalls();
  folder = mkdtempSync(join(tmpdir(), "bunkms-import-"));
});

after(() => rmSync(folder, { recursive: true }));

const base64 = (bytes: Buffer): string => bytes.toString("base64");
const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(name);

/** A new key that waits for its import. */
async function waiting(type: string): Promise<string> {
  made += 1;
  const name = `import-${made}`;
  const { state } = await calls.call("keys.create", { name, type, imported: true });
  assert.equal(state, "pending_import");
  return name;
}

async function prepare(name: string, type = ""): Promise<string> {
  const prepared = await calls.call("keys.prepare_import", { name, wrapping_key_type: type });
  return prepared["wrapping_public_key_pem"] as string;
}

function oaep(pem: string, bytes: Buffer): Buffer {
  return publicEncrypt({ key: pem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, bytes);
}

function rsaAes(pem: string, bytes: Buffer): Buffer {
  const key = randomBytes(32);
  return Buffer.concat([oaep(pem, key), kwpWrap(key, bytes)]);
}

const wrappedRaw = (name: string, pem: string, material: Buffer) => ({
  name,
  algorithm: OAEP,
  format: "raw",
  wrapped_material_b64: base64(oaep(pem, material)),
});

/** Runs the openssl command in the test's folder. */
function openssl(...args: string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
}

const inFolder = (name: string): Buffer => readFileSync(join(folder, name));

const WRAP_OPTIONS = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"].flatMap((option) => [
  "-pkeyopt",
  option,
]);

/** As the instructions of cloud services tell their users to wrap a key. */
function wrapByOpenssl(pem: string, input: string, output: string): void {
  writeFileSync(join(folder, "wrapping.pem"), pem);
  openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", "wrapping.pem", "-in", input, "-out", output, ...WRAP_OPTIONS);
}

test("a symmetric key that openssl made and wrapped is imported, and codes by it are openssl's", async () => {
  const name = await waiting("hmac-sha256");
  openssl("rand", "-out", "raw.bin", "32");
  wrapByOpenssl(await prepare(name), "raw.bin", "wrapped.bin");
  const wrapped_material_b64 = base64(inFolder("wrapped.bin"));
  const imported = await calls.call("keys.import", { name, wrapped_material_b64, algorithm: OAEP, format: "raw" });
  assert.equal(imported["state"], "enabled");
  assert.equal(imported["latest_version"], 1);
  const { mac_b64 } = await calls.call("keys.generate_mac", { name, message_b64: base64(Buffer.from("text")) });
  writeFileSync(join(folder, "text"), "text");
  const hexKey = `hexkey:${inFolder("raw.bin").toString("hex")}`;
  openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", hexKey, "-binary", "-out", "mac.bin", "text");
  assert.equal(mac_b64, base64(inFolder("mac.bin")));
});

test("a private key that openssl made and wrapped by RSA and AES is imported, and openssl verifies its signatures", async () => {
  const name = await waiting("ecdsa-p256");
  openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem");
  openssl("pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der");
  openssl("rand", "-out", "aes.bin", "32");
  wrapByOpenssl(await prepare(name, "rsa-4096"), "aes.bin", "aes-wrapped.bin");
  const key = inFolder("aes.bin").toString("hex");
  openssl("enc", "-id-aes256-wrap-pad", "-K", key, "-iv", "A65959A6", "-in", "key.der", "-out", "key-wrapped.bin");
  const wrapped_material_b64 = base64(Buffer.concat([inFolder("aes-wrapped.bin"), inFolder("key-wrapped.bin")]));
  await calls.call("keys.import", { name, wrapped_material_b64, algorithm: AES_WRAP, format: "pkcs8" });
  const { pem } = await calls.call("keys.get_public", { name });
  openssl("pkey", "-in", "key.der", "-inform", "DER", "-pubout", "-out", "public.pem");
  assert.equal(pem, inFolder("public.pem").toString());
  const { signature_b64 } = await calls.call("keys.sign", { name, message_b64: base64(Buffer.from("text")) });
  writeFileSync(join(folder, "text"), "text");
  writeFileSync(join(folder, "signature"), Buffer.from(signature_b64 as string, "base64"));
  openssl("dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "text");
});

test("every type takes its own material, and importing again adds the next version", async () => {
  for (const type of keyTypeNames()) {
    const name = await waiting(type);
    for (const version of [1, 2]) {
      const { material, publicKey } = await row(type).generate();
      const request = { name, material_b64: base64(material), format: materialFormat(row(type)) };
      const imported = await calls.call("keys.import_plain", request);
      assert.equal(imported["latest_version"], version, type);
      if (publicKey.length > 0) {
        assert.equal((await calls.call("keys.get_public", { name }))["der_b64"], base64(publicKey), type);
      }
      if (type.startsWith("rsa")) {
        break;
      }
    }
    assert.equal(await calls.code("keys.rotate", { name }), "invalid_request", type);
  }
});

test("a key of another type is refused with the reason, whichever two types they are", async () => {
  const materials = new Map<string, { material: Buffer; publicKey: Buffer }>();
  for (const type of keyTypeNames()) {
    materials.set(type, await row(type).generate());
  }
  /** ECDSA and ECDH keys on one curve are of one kind. */
  const kindOf = (publicKey: Buffer): string => `${publicKey.length} ${publicKey.toString("hex", 0, 16)}`;
  let refused = 0;
  for (const [type, own] of materials) {
    for (const [other, { material, publicKey }] of materials) {
      if (materialFormat(row(other)) === "pkcs8" && kindOf(publicKey) !== kindOf(own.publicKey)) {
        assert.throws(
          () => row(type).accept("pkcs8", material),
          (error) => error instanceof BunkmsError && error.code === "invalid_key_material",
          `${other} as ${type}`,
        );
        refused += 1;
      }
    }
  }
  assert.ok(refused > 1000, `${refused}`);
  const name = await waiting("ecdsa-p256");
  const p384 = materials.get("ecdsa-p384")?.material ?? assert.fail();
  const wrong = calls.call("keys.import_plain", { name, material_b64: base64(p384), format: "pkcs8" });
  await assert.rejects(wrong, /must be on the named curve prime256v1/);
  assert.equal((await calls.call("keys.get", { name }))["state"], "pending_import");
});

test("a wrapping key serves one import: not a second, not another key's, not after 24 hours, and no earlier one", async () => {
  const name = await waiting("aes-256");
  const material = randomBytes(32);
  assert.equal(
    await calls.code("keys.import", { name, wrapped_material_b64: "AAAA", algorithm: OAEP, format: "raw" }),
    "wrong_key_state",
  );
  const replaced = await prepare(name);
  const pem = await prepare(name);
  const other = await waiting("aes-256");
  await prepare(other);
  for (const wrong of [wrappedRaw(name, replaced, material), wrappedRaw(other, pem, material)]) {
    await assert.rejects(calls.call("keys.import", wrong), /the wrapped key cannot be unwrapped/);
  }
  calls.now += 24 * HOUR_MS;
  await assert.rejects(calls.call("keys.import", wrappedRaw(name, pem, material)), /has expired/);
  calls.now -= 1;
  await calls.call("keys.import", wrappedRaw(name, pem, material));
  await assert.rejects(calls.call("keys.import", wrappedRaw(name, pem, material)), /or it was used/);
  calls.now -= 24 * HOUR_MS - 1;
});

test("COSMIAN-2026-003, COSMIAN-2026-011: of two imports at the same time one is done, and nothing is replaced", async () => {
  const name = await waiting("aes-256");
  const pem = await prepare(name);
  const outcomes = await Promise.all(
    [1, 2, 3].map((byte) => calls.code("keys.import", wrappedRaw(name, pem, Buffer.alloc(32, byte)))),
  );
  assert.deepEqual(outcomes.toSorted(), ["ok", "wrong_key_state", "wrong_key_state"]);
  const { ciphertext } = await calls.call("keys.encrypt", { key_name: name, plaintext: "text" });
  const again = await calls.call("keys.import", wrappedRaw(name, await prepare(name), randomBytes(32)));
  assert.deepEqual([again["latest_version"], again["state"]], [2, "enabled"]);
  const opened = await calls.call("keys.decrypt", { key_name: name, ciphertext: ciphertext as string });
  assert.deepEqual([opened["plaintext"], opened["version"]], ["text", 1]);
});

test("only a key that was made for imports takes one, and only while it is enabled or waits for it", async () => {
  await calls.call("keys.create", { name: "own" });
  // Of a wrong length: what a key is for comes first.
  const plain = (name: string) => ({ name, material_b64: base64(randomBytes(3)), format: "raw" });
  const wrapped = (name: string) => ({ name, wrapped_material_b64: "AAAA", algorithm: OAEP, format: "raw" });
  assert.equal(await calls.code("keys.prepare_import", { name: "own" }), "invalid_request");
  assert.equal(await calls.code("keys.import", wrapped("own")), "invalid_request");
  assert.equal(await calls.code("keys.import_plain", plain("own")), "invalid_request");
  const name = await waiting("aes-256");
  await calls.call("keys.import_plain", { ...plain(name), material_b64: base64(randomBytes(32)) });
  await calls.call("keys.disable", { name });
  assert.equal(await calls.code("keys.prepare_import", { name }), "wrong_key_state");
  assert.equal(await calls.code("keys.import", wrapped(name)), "wrong_key_state");
  assert.equal(await calls.code("keys.import_plain", plain(name)), "wrong_key_state");
  assert.equal(await calls.code("keys.import_plain", plain("none")), "not_found");
});

test("material in the clear is refused unless it came over TLS, before anything is looked at", async () => {
  const name = await waiting("aes-256");
  const request = { name, material_b64: base64(randomBytes(32)), format: "raw" };
  assert.equal(await calls.code("keys.import_plain", request, { secure: false }), "insecure_transport");
  assert.equal(
    await calls.code("keys.import_plain", { ...request, name: "none" }, { secure: false }),
    "insecure_transport",
  );
  // Wrapped, it may come by any way.
  const wrapped = wrappedRaw(name, await prepare(name), randomBytes(32));
  assert.equal(await calls.code("keys.import", wrapped, { secure: false }), "ok");
});

test("REQ-14: wrapped material with any bit changed is refused, and with one and the same error", async () => {
  const { seed, below } = seeded();
  const name = await waiting("aes-256");
  const pem = await prepare(name);
  for (const [algorithm, wrapped] of [
    [OAEP, oaep(pem, randomBytes(32))],
    [AES_WRAP, rsaAes(pem, randomBytes(32))],
  ] as const) {
    for (let i = 0; i < 25; i++) {
      const changed = Buffer.from(wrapped);
      const at = below(changed.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << below(8));
      const request = { name, wrapped_material_b64: base64(changed), algorithm, format: "raw" };
      await assert.rejects(
        calls.call("keys.import", request),
        {
          code: "invalid_key_material",
          message: "the wrapped key cannot be unwrapped",
        },
        `seed ${seed}`,
      );
    }
  }
  assert.equal((await calls.call("keys.get", { name }))["latest_version"], 0);
});

test("wrapping keys that have expired, and those of destroyed keys, are removed", async () => {
  const { store, unsealed } = calls;
  const stored = async () => (await store.list("import-key", { limit: 1000 })).length;
  const name = await waiting("aes-256");
  await prepare(name);
  assert.ok((await stored()) > 0);
  const { vault, committer } = unsealed;
  const expired = await vault.imports.expired(calls.now + 24 * HOUR_MS);
  await committer.submit(ownEntry("keys.expire_imports", "", calls.now), expired);
  assert.equal(await stored(), 0);
  assert.equal(await vault.imports.expired(calls.now + 48 * HOUR_MS), undefined);
  await prepare(name);
  await calls.call("keys.schedule_deletion", { name, window_days: 7 });
  await committer.submit(
    ownEntry("keys.destroy", `key/${name}`, calls.now),
    await vault.keys.destroyDue(name, calls.now + 8 * 24 * HOUR_MS),
  );
  assert.equal(await stored(), 0);
});

test("REQ-31: the audit log has how a key came in, and nothing of what it is", async () => {
  const name = await waiting("aes-256");
  const material = randomBytes(32);
  const pem = await prepare(name);
  await calls.call("keys.import", wrappedRaw(name, pem, material));
  await calls.call("keys.import_plain", { name, material_b64: base64(material), format: "raw" });
  const { entries } = await calls.call("audit.list", { resource: `key/${name}` });
  const [plain, wrapped, prepared] = entries as { operation: string; request: object }[];
  assert.deepEqual([plain?.operation, plain?.request], ["keys.import_plain", { name, format: "raw" }]);
  assert.deepEqual([wrapped?.operation, wrapped?.request], ["keys.import", { name, algorithm: OAEP, format: "raw" }]);
  assert.deepEqual([prepared?.operation, prepared?.request], ["keys.prepare_import", { name }]);
  assert.equal(createPublicKey(pem).asymmetricKeyDetails?.modulusLength, 3072);
  assert.equal(JSON.stringify(entries).includes(base64(material)), false);
});

test("nothing went wrong inside", () => {
  assert.deepEqual(calls.failures, []);
});
