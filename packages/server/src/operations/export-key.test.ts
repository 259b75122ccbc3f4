import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { keyTypeNames } from "../crypto/key-types.ts";
import { unwrapImported } from "../crypto/key-wrap.ts";

const AES_WRAP = "rsa-aes-key-wrap-sha256";
const OAEP = "rsa-oaep-sha256";
const OWN = generateKeyPairSync("rsa", { modulusLength: 2048 });
const OWN_PEM = OWN.publicKey.export({ format: "pem", type: "spki" }) as string;

let calls: TestCalls;

before(async () => {
  calls = await testCalls();
});

const exported = (name: string, more = {}) => calls.call("keys.export", { name, public_key_pem: OWN_PEM, ...more });
const bytes = (value: unknown): Buffer => Buffer.from(value as string, "base64");

test("each type's key is exported in a form in which it can be imported again", async () => {
  for (const type of keyTypeNames().filter((name) => name !== "rsa-4096")) {
    await calls.call("keys.create", { name: type, type, exportable: true });
    const { wrapped_material_b64, format, version, algorithm } = await exported(type);
    assert.deepEqual([version, algorithm], [1, AES_WRAP]);
    const material = await unwrapImported(OWN.privateKey, AES_WRAP, bytes(wrapped_material_b64));
    await calls.call("keys.create", { name: `${type}-back`, type, imported: true });
    const request = { name: `${type}-back`, material_b64: material.toString("base64"), format: format as string };
    await calls.call("keys.import_plain", request);
    if ((await calls.code("keys.get_public", { name: type })) === "ok") {
      const [one, two] = [type, `${type}-back`].map((name) => calls.call("keys.get_public", { name }));
      assert.deepEqual(await one, await two, type);
    }
  }
});

test("what is exported to an RSA key of openssl's is opened by openssl", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-export-"));
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const oaep = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"].flatMap((o) => ["-pkeyopt", o]);
  const decrypt = (input: string) => openssl("pkeyutl", "-decrypt", "-inkey", "own.pem", "-in", input, ...oaep);
  try {
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", "own.pem");
    const public_key_pem = openssl("pkey", "-in", "own.pem", "-pubout").toString();
    const der = openssl("pkey", "-in", "own.pem", "-pubout", "-outform", "DER");
    await calls.call("keys.create", { name: "to-openssl", type: "ed25519", exportable: true });
    const made = await exported("to-openssl", { public_key_pem });
    assert.equal(made["recipient_fingerprint"], createHash("sha256").update(der).digest("hex"));
    const wrapped = bytes(made["wrapped_material_b64"]);
    writeFileSync(join(folder, "outer"), wrapped.subarray(0, 384));
    writeFileSync(join(folder, "inner"), wrapped.subarray(384));
    const key = decrypt("outer").toString("hex");
    openssl("enc", "-d", "-id-aes256-wrap-pad", "-K", key, "-iv", "A65959A6", "-in", "inner", "-out", "key.der");
    const pem = openssl("pkey", "-in", "key.der", "-inform", "DER", "-pubout").toString();
    assert.equal(pem, (await calls.call("keys.get_public", { name: "to-openssl" }))["pem"]);
    assert.equal(
      createPrivateKey({ key: readFileSync(join(folder, "key.der")), format: "der", type: "pkcs8" }).type,
      "private",
    );

    await calls.call("keys.create", { name: "mac-to-openssl", type: "hmac-sha256", exportable: true });
    const secret = await exported("mac-to-openssl", { public_key_pem, algorithm: OAEP });
    writeFileSync(join(folder, "secret"), bytes(secret["wrapped_material_b64"]));
    writeFileSync(join(folder, "text"), "text");
    const hexKey = `hexkey:${decrypt("secret").toString("hex")}`;
    const mac = openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", hexKey, "-binary", "text");
    const message_b64 = Buffer.from("text").toString("base64");
    const { mac_b64 } = await calls.call("keys.generate_mac", { name: "mac-to-openssl", message_b64 });
    assert.equal(mac_b64, mac.toString("base64"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("only a key that was created exportable leaves, and only versions that are enabled", async () => {
  await calls.call("keys.create", { name: "kept" });
  await calls.call("keys.disable", { name: "kept" });
  await assert.rejects(exported("kept"), { code: "wrong_key_usage", message: "the key was not created exportable" });
  await calls.call("keys.create", { name: "free", exportable: true });
  await calls.call("keys.rotate", { name: "free" });
  assert.equal((await exported("free"))["version"], 2);
  assert.equal((await exported("free", { version: 1 }))["version"], 1);
  await assert.rejects(exported("free", { version: 3 }), { code: "unknown_version" });
  await calls.call("keys.disable_version", { name: "free", version: 1 });
  await assert.rejects(exported("free", { version: 1 }), { code: "wrong_key_state" });
  await calls.call("keys.disable", { name: "free" });
  await assert.rejects(exported("free"), { code: "wrong_key_state" });
});

test("a recipient's key that is none, or too weak, is refused", async () => {
  await calls.call("keys.create", { name: "sought", exportable: true });
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "pem", type: "spki" });
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "pem", type: "spki" });
  const own = OWN.privateKey.export({ format: "pem", type: "pkcs8" });
  const cut = OWN_PEM.replace("MII", "MIJ");
  for (const public_key_pem of [weak, ec, own, cut, "text", `${OWN_PEM}${OWN_PEM}`] as string[]) {
    await assert.rejects(exported("sought", { public_key_pem }), { code: "invalid_public_key" });
  }
});

test("material that is too long for an algorithm is refused, and the error names the one that takes it", async () => {
  await calls.call("keys.create", { name: "long", type: "rsa-2048", exportable: true });
  await assert.rejects(exported("long", { algorithm: OAEP }), /use rsa-aes-key-wrap-sha256/);
});

test("REQ-31: the audit log says which version left, how, and to whom", async () => {
  await calls.call("keys.create", { name: "watched", exportable: true });
  await exported("watched", { version: 1 });
  const { entries } = await calls.call("audit.list", { resource: "key/watched", operation: "keys.export" });
  const [entry] = entries as { request: object; response: object }[];
  const der = createPublicKey(OWN_PEM).export({ format: "der", type: "spki" });
  assert.deepEqual(entry?.request, { name: "watched", version: "1" });
  assert.deepEqual(entry?.response, {
    version: "1",
    format: "raw",
    algorithm: AES_WRAP,
    recipient_fingerprint: createHash("sha256").update(der).digest("hex"),
  });
});

test("nothing went wrong inside", () => {
  assert.deepEqual(calls.failures, []);
});
