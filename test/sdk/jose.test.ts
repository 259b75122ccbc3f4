import assert from "node:assert/strict";
import { createPublicKey, verify, type webcrypto } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { type BunkmsClient, createClient, createJwsSigner, type JwsAlg, RequestError } from "@bunkms/client";
import { compactVerify, createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { startServer, type TestServer } from "../harness/server.ts";

const TYPES: Readonly<Record<string, readonly JwsAlg[]>> = {
  "ecdsa-p256": ["ES256"],
  "ecdsa-p384": ["ES384"],
  "ecdsa-p521": ["ES512"],
  "rsa-2048": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ed25519: ["EdDSA", "Ed25519"],
  "ml-dsa-44": ["ML-DSA-44"],
  "ml-dsa-65": ["ML-DSA-65"],
  "ml-dsa-87": ["ML-DSA-87"],
};
const CLAIMS = { iss: "https://issuer.test", sub: "alice", exp: Math.floor(Date.now() / 1000) + 600 };

let server: TestServer;
let client: BunkmsClient;

before(async () => {
  server = await startServer();
  client = createClient({ url: server.url, token: server.rootToken });
});

after(() => server.remove());

async function jwks(name: string): Promise<JSONWebKeySet> {
  const { data } = await client.keyTransfer.getJwks({ name });
  return JSON.parse(Buffer.from(data).toString()) as JSONWebKeySet;
}

function remoteJwks(name: string) {
  const headers = { authorization: `Bearer ${server.rootToken}` };
  return createRemoteJWKSet(new URL(`${server.url}/v1/keys/${name}/jwks.json`), { headers });
}

describe("a JWT that a key of BunKMS signed", () => {
  for (const [type, algs] of Object.entries(TYPES)) {
    for (const alg of algs) {
      test(`is verified by jose with the key's JWK set: ${alg} with ${type}`, async () => {
        const keyName = `jwt-${type}`;
        await client.keys.createKey({ name: keyName, type, purpose: "sign" }).catch(() => {});
        const token = await createJwsSigner(client, { keyName, alg }).signJwt(CLAIMS, { typ: "at+jwt" });
        for (const set of [createLocalJWKSet(await jwks(keyName)), remoteJwks(keyName)]) {
          const { payload, protectedHeader } = await jwtVerify(token, set, { issuer: CLAIMS.iss, algorithms: [alg] });
          assert.deepEqual(payload, CLAIMS);
          assert.equal(protectedHeader.typ, "at+jwt");
        }
        const [header, , signature] = token.split(".");
        const forged = [header, Buffer.from('{"sub":"root"}').toString("base64url"), signature].join(".");
        await assert.rejects(jwtVerify(forged, createLocalJWKSet(await jwks(keyName))), {
          code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        });
      });
    }
  }

  test("is verified by OpenSSL where jose has not the curve: ES256K", async () => {
    const name = "jwt-secp256k1";
    await client.keys.createKey({ name, type: "ecdsa-secp256k1" });
    const token = await createJwsSigner(client, { keyName: name, alg: "ES256K" }).signJwt(CLAIMS);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const [jwk] = (await jwks(name)).keys;
    const key = {
      key: createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: "jwk" }),
      dsaEncoding: "ieee-p1363",
    } as const;
    assert.ok(verify("sha256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url")));
    assert.equal(JSON.parse(Buffer.from(header, "base64url").toString()).kid, jwk?.kid);
  });

  test("names the version that signed it, and follows rotations and versions that are disabled", async () => {
    const name = "jwt-rotated";
    await client.keys.createKey({ name, type: "ecdsa-p256" });
    const signer = createJwsSigner(client, { keyName: name, alg: "ES256" });
    const quick = createJwsSigner(client, { keyName: name, alg: "ES256", refreshMs: 0 });
    const kid = async (token: string) =>
      (await jwtVerify(token, createLocalJWKSet(await jwks(name)))).protectedHeader.kid;
    const first = await kid(await signer.signJwt(CLAIMS));
    await client.keys.rotateKey({ name });
    assert.equal(await kid(await signer.signJwt(CLAIMS)), first);
    const second = await kid(await quick.signJwt(CLAIMS));
    assert.notEqual(second, first);
    await client.keyLife.disableKeyVersion({ name, version: 1 });
    assert.equal(await kid(await signer.signJwt(CLAIMS)), second);
    assert.equal((await signer.publicJwk()).kid, second);
  });
});

test("a JWS of any bytes is verified by jose", async () => {
  await client.keys.createKey({ name: "jws", type: "ed25519" });
  const signer = createJwsSigner(client, { keyName: "jws", alg: "EdDSA" });
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  const { payload, protectedHeader } = await compactVerify(
    await signer.signCompact(bytes, { cty: "x" }),
    createLocalJWKSet(await jwks("jws")),
  );
  assert.deepEqual(Buffer.from(payload), Buffer.from(bytes));
  assert.deepEqual(Object.keys(protectedHeader).toSorted(), ["alg", "cty", "kid"]);
});

test("what would not be verified, or say something else, is not signed", async () => {
  await client.keys.createKey({ name: "es", type: "ecdsa-p256" });
  await client.keys.createKey({ name: "enc" });
  for (const alg of ["HS256", "none", "__proto__", "constructor", ""]) {
    assert.throws(() => createJwsSigner(client, { keyName: "es", alg: alg as JwsAlg }), RequestError);
  }
  for (const alg of ["ES384", "RS256", "EdDSA", "ML-DSA-44"] as const) {
    await assert.rejects(
      createJwsSigner(client, { keyName: "es", alg }).signJwt(CLAIMS),
      /is not of a type that signs/,
    );
  }
  await assert.rejects(createJwsSigner(client, { keyName: "enc", alg: "ES256" }).signJwt(CLAIMS), {
    code: "wrong_key_usage",
  });
  const signer = createJwsSigner(client, { keyName: "es", alg: "ES256" });
  for (const header of [{ alg: "none" }, { crit: ["x"] }, { b64: false }]) {
    await assert.rejects(signer.signJwt(CLAIMS, header), RequestError);
  }
  for (const claims of [null, [], "x"] as never[]) {
    await assert.rejects(async () => signer.signJwt(claims), RequestError);
  }
});
