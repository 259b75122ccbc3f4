import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { before, test } from "node:test";
import { type TestCalls, testCalls } from "../boot/test-calls.ts";
import { findKeyType, keyTypeNames } from "../crypto/key-types.ts";

type Jwk = Readonly<Record<"kty" | "kid" | "use", string>> & { readonly alg?: string };

let calls: TestCalls;

before(async () => {
  calls = await testCalls();
});

/** SLH-DSA and RSA of 4096 bits take long to make, and have siblings here. */
const TYPES = keyTypeNames().filter((name) => !/^slh-dsa-.*(192|256)|rsa-4096/.test(name));
const isPair = (name: string): boolean => findKeyType(name)?.loadPublic !== undefined;
/** What OpenSSL does not know has no JWK. */
const WITHOUT_JWK = ["x-wing", "ml-dsa-65-ed25519"];
const ALGORITHMS: Readonly<Record<string, string>> = {
  "ecdsa-p256": "ES256",
  "ecdsa-p384": "ES384",
  "ecdsa-p521": "ES512",
  "ecdsa-secp256k1": "ES256K",
};

async function jwks(name: string): Promise<readonly Jwk[]> {
  const { content_type, data } = await calls.call("keys.get_jwks", { name });
  assert.equal(content_type, "application/jwk-set+json");
  return (JSON.parse(Buffer.from(data as string, "base64").toString()) as { keys: Jwk[] }).keys;
}

test("the public key of each type is the same key in every form that the type has", async () => {
  for (const name of TYPES.filter(isPair)) {
    await calls.call("keys.create", { name, type: name });
    const { pem, der_b64, jwk, ssh, version } = await calls.call("keys.get_public", { name });
    assert.equal(version, 1);
    const der = Buffer.from(der_b64 as string, "base64");
    assert.equal((pem as string).replaceAll(/-----.*-----|\n/g, ""), der_b64, name);
    assert.equal(ssh !== "", /^(rsa|ecdsa-p|ecdh-p|ed25519)/.test(name), name);
    assert.equal(jwk === "", WITHOUT_JWK.includes(name), name);
    const keys = await jwks(name);
    if (jwk === "") {
      assert.deepEqual(keys, []);
      continue;
    }
    const parsed = JSON.parse(jwk as string) as Jwk;
    assert.deepEqual(keys, [parsed]);
    const read = createPublicKey({ key: parsed, format: "jwk" });
    assert.deepEqual(read.export({ format: "der", type: "spki" }), der, name);
    assert.match(parsed.kid, /^[A-Za-z0-9_-]{43}$/);
    const { purpose } = await calls.call("keys.get", { name });
    assert.equal(parsed.use, purpose === "sign" ? "sig" : "enc", name);
    if (parsed.kty !== "AKP") {
      assert.equal(parsed.alg, ALGORITHMS[name], name);
    }
  }
});

test("a symmetric key has no public key, and the error says so", async () => {
  await calls.call("keys.create", { name: "secret" });
  for (const action of ["keys.get_public", "keys.get_jwks"]) {
    assert.equal(await calls.code(action, { name: "secret" }), "wrong_key_usage");
    assert.equal(await calls.code(action, { name: "none" }), "not_found");
  }
});

test("the JWK set has the versions that count, and none of a key that is not enabled", async () => {
  const name = "rotated";
  await calls.call("keys.create", { name, type: "ed25519" });
  await calls.call("keys.rotate", { name });
  await calls.call("keys.rotate", { name });
  const [one, two, three] = (await jwks(name)).map(({ kid }) => kid);
  await calls.call("keys.disable_version", { name, version: 2 });
  assert.deepEqual(
    (await jwks(name)).map(({ kid }) => kid),
    [one, three],
  );
  await calls.call("keys.enable_version", { name, version: 2 });
  await calls.call("keys.update", { name, min_decryption_version: 2 });
  assert.deepEqual(
    (await jwks(name)).map(({ kid }) => kid),
    [two, three],
  );
  assert.equal((await calls.call("keys.get_public", { name, version: 1 }))["version"], 1);
  assert.equal(await calls.code("keys.get_public", { name, version: 4 }), "unknown_version");
  await calls.call("keys.disable", { name });
  assert.deepEqual(await jwks(name), []);
  assert.equal(await calls.code("keys.get_public", { name }), "ok");
});

test("a key that waits for its import has no public key yet", async () => {
  await calls.call("keys.create", { name: "waiting", type: "ed25519", imported: true });
  assert.equal(await calls.code("keys.get_public", { name: "waiting" }), "wrong_key_state");
  assert.deepEqual(await jwks("waiting"), []);
});
