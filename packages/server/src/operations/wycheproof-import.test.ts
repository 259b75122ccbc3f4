import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { findKeyType } from "../crypto/key-types.ts";

// Wycheproof through the operations themselves: its keys come in by import, its cases are calls. What each primitive
// makes of all cases is tested beside the primitives in crypto/.

let calls: TestCalls;
const imported = new Map<string, string>();

before(async () => {
  calls = await testCalls();
});

const base64 = (text: string): string => hex(text).toString("base64");

/** The name of a key with this material: imported, once. @throws BunkmsError */
async function keyOf(type: string, purpose: string, format: "raw" | "pkcs8", material: string): Promise<string> {
  const id = `${type} ${purpose} ${material}`;
  const known = imported.get(id);
  if (known !== undefined) {
    return known;
  }
  const name = `wycheproof-${imported.size + 1}`;
  await calls.call("keys.create", { name, type, purpose, imported: true });
  imported.set(id, name);
  try {
    await calls.call("keys.import_plain", { name, format, material_b64: base64(material) });
  } catch (error) {
    imported.set(id, "");
    throw error;
  }
  return name;
}

/** A member of what a call answers, in hex; the code of the error where it is refused. */
async function answer(action: string, request: JsonObject, member: string): Promise<string> {
  try {
    const value = (await calls.call(action, request))[member];
    return typeof value === "boolean" ? String(value) : Buffer.from(value as string, "base64").toString("hex");
  } catch (error) {
    if (error instanceof BunkmsError) {
      return error.code;
    }
    throw error;
  }
}

interface MacGroup {
  readonly keySize: number;
  readonly tagSize: number;
  readonly tests: readonly (WycheproofCase & Record<"key" | "msg" | "tag", string>)[];
}

for (const [type, cases] of [
  ["hmac-sha224", 84],
  ["hmac-sha256", 87],
  ["hmac-sha384", 87],
  ["hmac-sha512", 87],
  ["hmac-sha3-256", 87],
  ["hmac-sha3-512", 87],
] as const) {
  test(`REQ-13: generate_mac and verify_mac with imported keys agree with Wycheproof for ${type}`, async () => {
    const length = findKeyType(type)?.mac?.length ?? assert.fail();
    let ran = 0;
    for (const { keySize, tagSize, tests } of readWycheproof<MacGroup>(`${type.replaceAll("-", "_")}_test.json`)
      .testGroups) {
      // Shorter keys and cut codes are not offered.
      for (const { key, msg, tag, result, tcId } of keySize < 128 || tagSize !== 8 * length ? [] : tests) {
        const name = await keyOf(type, "mac", "raw", key);
        const request = { name, message_b64: base64(msg) };
        const valid = result === "valid";
        assert.equal((await answer("keys.generate_mac", request, "mac_b64")) === tag, valid, `case ${tcId}`);
        const verified = await answer("keys.verify_mac", { ...request, mac_b64: base64(tag) }, "valid");
        assert.equal(verified, String(valid), `case ${tcId}`);
        ran += 1;
      }
    }
    assert.equal(ran, cases);
  });
}

interface OaepGroup {
  readonly keySize: number;
  readonly sha: string;
  readonly privateKeyPkcs8: string;
  readonly tests: readonly (WycheproofCase & Record<"msg" | "ct" | "label", string>)[];
}

for (const [file, cases] of [
  ["rsa_oaep_2048_sha1_mgf1sha1_test", 36],
  ["rsa_oaep_2048_sha256_mgf1sha256_test", 37],
  ["rsa_oaep_2048_sha384_mgf1sha384_test", 34],
  ["rsa_oaep_2048_sha512_mgf1sha512_test", 33],
  ["rsa_oaep_3072_sha256_mgf1sha256_test", 37],
  ["rsa_oaep_4096_sha512_mgf1sha512_test", 36],
] as const) {
  test(`REQ-13: decrypt with imported keys agrees with Wycheproof's ${file}`, async () => {
    let ran = 0;
    for (const { keySize, sha, privateKeyPkcs8, tests } of readWycheproof<OaepGroup>(`${file}.json`).testGroups) {
      const key_name = await keyOf(`rsa-${keySize}`, "encrypt", "pkcs8", privateKeyPkcs8);
      const algorithm = `rsa-oaep-${sha.toLowerCase().replace("-", "")}`;
      for (const { ct, label, msg, result, tcId } of tests) {
        // An empty field would be no ciphertext at all.
        const data_b64 = ct === "" ? "AA==" : base64(ct);
        const request = { key_name, algorithm, data_b64, ...(label === "" ? {} : { aad_b64: base64(label) }) };
        const opened = await answer("keys.decrypt", request, "plaintext_b64");
        if (result === "invalid") {
          assert.ok(["decryption_failed", "invalid_request"].includes(opened), `case ${tcId}: ${opened}`);
        } else {
          assert.equal(opened, msg, `case ${tcId}`);
        }
        ran += 1;
      }
    }
    assert.equal(ran, cases);
  });
}

interface AgreementGroup {
  readonly tests: readonly (WycheproofCase & Record<"public" | "private" | "shared", string>)[];
}

for (const [file, type, agreed, refused] of [
  ["x25519_asn_test", "x25519", 487, 50],
  ["x448_asn_test", "x448", 487, 42],
] as const) {
  test(`REQ-13: derive with imported keys agrees with Wycheproof's ${file}`, async () => {
    const counts = { agreed: 0, refused: 0 };
    for (const vector of readWycheproof<AgreementGroup>(`${file}.json`).testGroups.flatMap(({ tests }) => tests)) {
      const { flags, result, shared, tcId } = vector;
      if (flags.includes("MissingOctetString")) {
        await assert.rejects(keyOf(type, "agree", "pkcs8", vector.private), { code: "invalid_key_material" });
        counts.refused += 1;
        continue;
      }
      const name = await keyOf(type, "agree", "pkcs8", vector.private);
      const request = { name, public_key_b64: base64(vector.public) };
      const wrong = result === "invalid" || flags.includes("ZeroSharedSecret");
      const secret = await answer("keys.derive_shared_secret", request, "shared_secret_b64");
      assert.equal(secret, wrong ? "invalid_public_key" : shared, `case ${tcId}`);
      counts[wrong ? "refused" : "agreed"] += 1;
    }
    assert.deepEqual(counts, { agreed, refused });
    assert.deepEqual(calls.failures, []);
  });
}

for (const [file, type, namedCurve, length, agreed, refused] of [
  ["ecdh_secp256r1_test", "ecdh-p256", "prime256v1", 32, 330, 282],
  ["ecdh_secp384r1_test", "ecdh-p384", "secp384r1", 48, 771, 276],
  ["ecdh_secp521r1_test", "ecdh-p521", "secp521r1", 66, 632, 284],
] as const) {
  test(`REQ-13: derive with imported keys agrees with Wycheproof's ${file}`, async () => {
    const counts = { agreed: 0, refused: 0 };
    for (const vector of readWycheproof<AgreementGroup>(`${file}.json`).testGroups.flatMap(({ tests }) => tests)) {
      // The files have scalars as signed numbers: shortened, or with a zero byte before them.
      const key = hex(vector.private.slice(-2 * length).padStart(2 * length, "0"));
      const given = createPrivateKey({ key, format: "raw-private", asymmetricKeyType: "ec", namedCurve });
      const pkcs8 = given.export({ format: "der", type: "pkcs8" }).toString("hex");
      const name = await keyOf(type, "agree", "pkcs8", pkcs8);
      const request = { name, public_key_b64: base64(vector.public) };
      // "Acceptable" are other encodings, of which we take none.
      const valid = vector.result === "valid";
      const secret = await answer("keys.derive_shared_secret", request, "shared_secret_b64");
      // Keys that are empty, or longer than any could be, are refused by the contract.
      const fits = valid ? [vector.shared] : ["invalid_public_key", "invalid_request"];
      assert.ok(fits.includes(secret), `case ${vector.tcId}: ${secret}`);
      counts[valid ? "agreed" : "refused"] += 1;
    }
    assert.deepEqual(counts, { agreed, refused });
  });
}

interface KemGroup {
  readonly tests: readonly (WycheproofCase & Record<"seed" | "c" | "K", string>)[];
}

for (const [set, opened, refused] of [
  ["512", 160, 40],
  ["768", 161, 40],
  ["1024", 162, 40],
] as const) {
  test(`REQ-13: decapsulate with imported seeds agrees with Wycheproof for ML-KEM-${set}`, async () => {
    const counts = { opened: 0, refused: 0 };
    for (const vector of readWycheproof<KemGroup>(`mlkem_${set}_test.json`).testGroups.flatMap(({ tests }) => tests)) {
      const { seed, c, K, result, tcId } = vector;
      const decapsulated = async (): Promise<string> => {
        const name = await keyOf(`ml-kem-${set}`, "agree", "raw", seed);
        return answer("keys.decapsulate", { name, encapsulation_b64: base64(c) }, "shared_secret_b64");
      };
      const secret = await decapsulated().catch((error: BunkmsError) => error.code);
      if (result === "valid") {
        assert.equal(secret, K, `case ${tcId}`);
        counts.opened += 1;
      } else {
        assert.ok(
          ["invalid_key_material", "decryption_failed", "invalid_request"].includes(secret),
          `case ${tcId}: ${secret}`,
        );
        counts.refused += 1;
      }
    }
    assert.deepEqual(counts, { opened, refused });
  });
}

interface SigningGroup {
  readonly sha: string;
  readonly privateKeyPkcs8: string;
  readonly privateKey: { readonly publicExponent: string };
  readonly tests: readonly (WycheproofCase & Record<"msg" | "sig", string>)[];
}

for (const [size, cases, refused] of [
  [2048, 24, 3],
  [3072, 24, 2],
] as const) {
  test(`REQ-13: sign with imported keys makes Wycheproof's PKCS#1 signatures of ${size} bits`, async () => {
    const counts = { ran: 0, refused: 0 };
    for (const group of readWycheproof<SigningGroup>(`rsa_pkcs1_${size}_sig_gen_test.json`).testGroups) {
      const algorithm = `rsa-pkcs1-${group.sha.toLowerCase().replace("-", "")}`;
      if (!findKeyType(`rsa-${size}`)?.signatures?.some(({ name }) => name === algorithm)) {
        continue;
      }
      const imported = keyOf(`rsa-${size}`, "sign", "pkcs8", group.privateKeyPkcs8);
      // Keys with a public exponent below 65537 are not offered.
      if (BigInt(`0x${group.privateKey.publicExponent}`) < 65_537n) {
        await assert.rejects(imported, /public exponent/);
        counts.refused += group.tests.length;
        continue;
      }
      const name = await imported;
      for (const { msg, sig, result, tcId } of group.tests) {
        const made = await answer("keys.sign", { name, algorithm, message_b64: base64(msg) }, "signature_b64");
        assert.equal(made === sig, result !== "invalid", `case ${tcId}`);
        counts.ran += 1;
      }
    }
    assert.deepEqual(counts, { ran: cases, refused });
  });
}
