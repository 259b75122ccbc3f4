import assert from "node:assert/strict";
import { constants, createHash, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { test } from "node:test";
import { type DigestScheme, signDigest, verifyDigest } from "./digest-signature.ts";

const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 });
const P256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const MESSAGE = Buffer.from("a message");

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const CASES: readonly (readonly [
  string,
  { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  DigestScheme,
])[] = [
  ["RSA-PSS with SHA-256", RSA, { hash: "sha256", ...PSS }],
  ["RSA-PSS with SHA-512", RSA, { hash: "sha512", ...PSS }],
  ["RSA PKCS#1 v1.5 with SHA-384", RSA, { hash: "sha384", padding: constants.RSA_PKCS1_PADDING }],
  ["ECDSA P-256 with SHA-256", P256, { hash: "sha256" }],
];

for (const [name, { privateKey, publicKey }, scheme] of CASES) {
  const { hash, ...padding } = scheme;
  const digest = createHash(hash).update(MESSAGE).digest();

  test(`${name}: a signed digest is what node:crypto verifies as a signed message, and the other way round`, () => {
    assert.ok(verify(hash, MESSAGE, { key: publicKey, ...padding }, signDigest(scheme, privateKey, digest)));
    assert.ok(verifyDigest(scheme, publicKey, digest, sign(hash, MESSAGE, { key: privateKey, ...padding })));
  });

  test(`${name}: another digest, another signature and malformed ones are not valid`, () => {
    const signature = signDigest(scheme, privateKey, digest);
    const other = createHash(hash).update("another").digest();
    assert.ok(!verifyDigest(scheme, publicKey, other, signature));
    for (const wrong of [
      Buffer.alloc(0),
      Buffer.alloc(1),
      signature.subarray(1),
      signature.subarray(0, -1),
      Buffer.concat([signature, Buffer.alloc(1)]),
      Buffer.alloc(signature.length, 0xff),
      Buffer.alloc(10_000),
    ]) {
      assert.equal(verifyDigest(scheme, publicKey, digest, wrong), false);
    }
  });
}

test("REQ-07: the private key's encoding is zeroed after signing, and after a failure", (t) => {
  const encodings: Buffer[] = [];
  const { privateKey } = RSA;
  const real = privateKey.export({ format: "der", type: "pkcs8" });
  t.mock.method(privateKey, "export", () => {
    encodings.push(Buffer.from(real));
    return encodings.at(-1);
  });
  signDigest({ hash: "sha256", ...PSS }, privateKey, Buffer.alloc(32));
  assert.throws(() => signDigest({ hash: "sha256", padding: 99 }, privateKey, Buffer.alloc(32)));
  assert.deepEqual(encodings, [Buffer.alloc(real.length), Buffer.alloc(real.length)]);
});

test("what OpenSSL refuses is an error that tells nothing, and leaves no error behind for node:crypto", () => {
  // A padding that does not exist.
  const scheme: DigestScheme = { hash: "sha256", padding: 99 };
  assert.throws(() => signDigest(scheme, RSA.privateKey, Buffer.alloc(32)), {
    message: "OpenSSL refused to sign or verify a digest",
  });
  // A digest of the wrong length for the hash, which callers check for before.
  const wrong = () => signDigest({ hash: "sha256", padding: 1 }, RSA.privateKey, Buffer.alloc(5));
  assert.throws(wrong, /OpenSSL refused/);
  assert.ok(verify("sha256", MESSAGE, P256.publicKey, sign("sha256", MESSAGE, P256.privateKey)));
});

test("thousands of signatures grow the process by next to nothing: nothing native is leaked", () => {
  const digest = Buffer.alloc(32, 1);
  const round = () => {
    for (let i = 0; i < 5000; i++) {
      const signature = signDigest({ hash: "sha256" }, P256.privateKey, digest);
      assert.ok(verifyDigest({ hash: "sha256" }, P256.publicKey, digest, signature));
    }
  };
  round();
  const before = process.memoryUsage.rss();
  round();
  // A leaked EVP_PKEY and its context would be some 2 KiB a call: 20 MiB here.
  assert.ok(process.memoryUsage.rss() - before < 12 * 2 ** 20);
});
