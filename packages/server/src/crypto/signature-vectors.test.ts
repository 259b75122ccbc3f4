import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { test } from "node:test";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import type { SignatureAlgorithm, SignatureEncoding, SignatureInput } from "./key-type.ts";
import { findKeyType } from "./key-types.ts";

interface Group {
  readonly keySize?: number;
  readonly sha: string;
  readonly mgfSha?: string;
  readonly sLen?: number;
  readonly publicKeyDer?: string;
  readonly privateKeyPkcs8?: string;
  readonly tests: readonly (WycheproofCase & { readonly msg: string; readonly sig: string })[];
}

const algorithmOf = (keyType: string, name: string): SignatureAlgorithm | undefined =>
  findKeyType(keyType)?.signatures?.find((algorithm) => algorithm.name === name);

const hashName = (sha: string): string => sha.toLowerCase().replace("-", "");

/** [file, what our algorithm is called for a group of it, how many cases are offered, the signatures' encoding] */
const VERIFIED: readonly (readonly [
  string,
  (group: Group) => SignatureAlgorithm | undefined,
  number,
  SignatureEncoding?,
])[] = [
  ["ecdsa_secp256r1_sha256_test", () => algorithmOf("ecdsa-p256", "ecdsa-sha256"), 484],
  ["ecdsa_secp256r1_sha256_p1363_test", () => algorithmOf("ecdsa-p256", "ecdsa-sha256"), 262, "p1363"],
  ["ecdsa_secp256r1_sha512_test", () => algorithmOf("ecdsa-p256", "ecdsa-sha512"), 554],
  ["ecdsa_secp256r1_sha512_p1363_test", () => algorithmOf("ecdsa-p256", "ecdsa-sha512"), 332, "p1363"],
  ["ecdsa_secp384r1_sha256_test", () => algorithmOf("ecdsa-p384", "ecdsa-sha256"), 472],
  ["ecdsa_secp384r1_sha384_test", () => algorithmOf("ecdsa-p384", "ecdsa-sha384"), 504],
  ["ecdsa_secp384r1_sha384_p1363_test", () => algorithmOf("ecdsa-p384", "ecdsa-sha384"), 280, "p1363"],
  ["ecdsa_secp384r1_sha512_test", () => algorithmOf("ecdsa-p384", "ecdsa-sha512"), 542],
  ["ecdsa_secp384r1_sha512_p1363_test", () => algorithmOf("ecdsa-p384", "ecdsa-sha512"), 318, "p1363"],
  ["ecdsa_secp521r1_sha512_test", () => algorithmOf("ecdsa-p521", "ecdsa-sha512"), 542],
  ["ecdsa_secp521r1_sha512_p1363_test", () => algorithmOf("ecdsa-p521", "ecdsa-sha512"), 318, "p1363"],
  ["ecdsa_secp256k1_sha256_test", () => algorithmOf("ecdsa-secp256k1", "ecdsa-sha256"), 476],
  ["ecdsa_secp256k1_sha256_p1363_test", () => algorithmOf("ecdsa-secp256k1", "ecdsa-sha256"), 252, "p1363"],
  ["ecdsa_secp256k1_sha256_bitcoin_test", () => algorithmOf("ecdsa-secp256k1", "ecdsa-sha256-low-s"), 463],
  ["ed25519_test", () => algorithmOf("ed25519", "ed25519"), 151],
  ["ed448_test", () => algorithmOf("ed448", "ed448"), 87],
  ["rsa_signature_2048_sha256_test", pkcs1, 259],
  ["rsa_signature_2048_sha384_test", pkcs1, 258],
  ["rsa_signature_2048_sha512_test", pkcs1, 259],
  ["rsa_signature_3072_sha256_test", pkcs1, 259],
  ["rsa_signature_3072_sha384_test", pkcs1, 259],
  ["rsa_signature_3072_sha512_test", pkcs1, 260],
  ["rsa_signature_4096_sha256_test", pkcs1, 258],
  ["rsa_signature_4096_sha384_test", pkcs1, 259],
  ["rsa_signature_4096_sha512_test", pkcs1, 259],
  ["rsa_pss_2048_sha256_mgf1_32_test", pss, 108],
  ["rsa_pss_2048_sha384_mgf1_48_test", pss, 141],
  ["rsa_pss_3072_sha256_mgf1_32_test", pss, 108],
  ["rsa_pss_4096_sha256_mgf1_32_test", pss, 108],
  ["rsa_pss_4096_sha384_mgf1_48_test", pss, 141],
  ["rsa_pss_4096_sha512_mgf1_64_test", pss, 179],
  // Many parameters, one case each; those with the hash's own length of salt and MGF1 of the same hash are offered.
  ["rsa_pss_misc_test", pss, 3],
];

for (const [name, choose, offered, encoding = "der"] of VERIFIED) {
  const options = encoding === "p1363" ? { encoding } : {};
  test(`REQ-13: every case of Wycheproof's ${name} is judged rightly, by message and by any digest`, async (t) => {
    const file = readWycheproof<Group>(`${name}.json`);
    let ran = 0;
    let notOffered = 0;
    for (const group of file.testGroups) {
      const algorithm = choose(group);
      if (!algorithm) {
        notOffered += group.tests.length;
        continue;
      }
      const key = createPublicKey({ key: hex(group.publicKeyDer ?? ""), format: "der", type: "spki" });
      for (const { msg, sig, result, flags, tcId } of group.tests) {
        // The one "acceptable" case of each PKCS#1 file lacks the NULL of its DigestInfo, a second encoding (RFC 8017,
        // appendix A.2.4, asks to accept it of old signers). We take one encoding only.
        if (result === "acceptable") assert.deepEqual(flags, ["MissingNull"]);
        const valid = result === "valid";
        const bytes = hex(msg);
        assert.equal(await algorithm.verify(key, { kind: "message", bytes }, hex(sig), options), valid, `case ${tcId}`);
        if (algorithm.hash !== undefined) {
          const input: SignatureInput = { kind: "digest", bytes: createHash(algorithm.hash).update(bytes).digest() };
          assert.equal(await algorithm.verify(key, input, hex(sig), options), valid, `case ${tcId}, digest`);
        }
        ran += 1;
      }
    }
    assert.equal(ran + notOffered, file.numberOfTests);
    assert.equal(ran, offered);
    t.diagnostic(`${ran} cases, ${notOffered} of parameters that are not offered`);
  });
}

for (const size of [2048, 3072, 4096]) {
  test(`REQ-13: PKCS#1 v1.5 signatures of RSA ${size} are those of Wycheproof, by message and by digest`, async (t) => {
    const file = readWycheproof<Group>(`rsa_pkcs1_${size}_sig_gen_test.json`);
    let ran = 0;
    let notOffered = 0;
    for (const group of file.testGroups) {
      const algorithm = pkcs1(group);
      // SHA-1 and SHA-224 are not offered.
      if (!algorithm) {
        notOffered += group.tests.length;
        continue;
      }
      const key = createPrivateKey({ key: hex(group.privateKeyPkcs8 ?? ""), format: "der", type: "pkcs8" });
      for (const { msg, sig, tcId } of group.tests) {
        const digest = createHash(algorithm.hash ?? "")
          .update(hex(msg))
          .digest();
        const byMessage = await algorithm.sign(key, { kind: "message", bytes: hex(msg) });
        const byDigest = await algorithm.sign(key, { kind: "digest", bytes: digest });
        assert.equal(byMessage.toString("hex"), sig, `case ${tcId}`);
        assert.equal(byDigest.toString("hex"), sig, `case ${tcId}, digest`);
        ran += 1;
      }
    }
    assert.equal(ran + notOffered, file.numberOfTests);
    assert.ok(ran >= 24);
    t.diagnostic(`${ran} cases, ${notOffered} of parameters that are not offered`);
  });
}

function pkcs1({ keySize, sha }: Group): SignatureAlgorithm | undefined {
  return algorithmOf(`rsa-${keySize}`, `rsa-pkcs1-${hashName(sha)}`);
}

function pss({ keySize, sha, mgfSha, sLen }: Group): SignatureAlgorithm | undefined {
  const algorithm = algorithmOf(`rsa-${keySize}`, `rsa-pss-${hashName(sha)}`);
  const ownSalt = sLen === { sha224: 28, sha256: 32, sha384: 48, sha512: 64 }[algorithm?.hash ?? "sha256"];
  return sha === mgfSha && ownSalt ? algorithm : undefined;
}
