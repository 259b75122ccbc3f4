import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { describe } from "node:test";
import { KEY_WRAP_ALGORITHMS, wrapForExport } from "../../../server/src/crypto/key-wrap.ts";
import { fakeServer, runLine, testsInFolder } from "../test-bed.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PEM = publicKey.export({ format: "pem", type: "spki" }).toString();
const DER = publicKey.export({ format: "der", type: "spki" });
const MATERIAL = Buffer.alloc(32, 7);

interface ExportBody {
  readonly public_key_pem: string;
  readonly algorithm?: (typeof KEY_WRAP_ALGORITHMS)[number];
  readonly version?: number;
}

const ANSWERS = {
  "POST /v1/keys/k/export": async ({ body }: { readonly body: string }) => {
    const algorithm = (JSON.parse(body) as ExportBody).algorithm ?? "rsa-aes-key-wrap-sha256";
    const wrapped = await wrapForExport(publicKey, algorithm, MATERIAL);
    const answer = { version: 3, format: "raw", algorithm, recipient_fingerprint: "ab12" };
    return [200, { ...answer, wrapped_material_b64: wrapped.toString("base64") }] as const;
  },
  "GET /v1/keys/k/public-key": [
    200,
    { version: 1, pem: PEM, der_b64: DER.toString("base64"), jwk: '{"kty":"RSA"}', ssh: "ssh-rsa AAAA" },
  ],
  "GET /v1/keys/pq/public-key": [200, { version: 1, pem: PEM, der_b64: DER.toString("base64") }],
  "GET /v1/keys/k/jwks.json": [200, { keys: [] }],
} as const;

const inFolder = testsInFolder(() => fakeServer(ANSWERS));

describe("key export", () => {
  inFolder("takes the public key as PEM and as DER", async ({ path, server }) => {
    for (const content of [PEM, DER]) {
      writeFileSync(path("to"), content);
      const outcome = await runLine(["key", "export", "k", "--to", path("to"), "--version", "3"], server.url);
      assert.match(outcome.stdout, /^[A-Za-z0-9+/]+=*\n$/);
    }
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      [PEM, PEM].map((pem) => ({ public_key_pem: pem.trimEnd(), version: 3 })),
    );
  });

  for (const algorithm of KEY_WRAP_ALGORITHMS) {
    inFolder(`by ${algorithm} says how openssl opens it, and openssl does`, async ({ path, server }) => {
      writeFileSync(path("to"), PEM);
      writeFileSync(path("PRIVATE.pem"), privateKey.export({ format: "pem", type: "pkcs8" }));
      const out = path("it's here");
      const argv = ["key", "export", "k", "--to", path("to"), "--algorithm", algorithm, "-o", out];
      const { code, stdout, stderr } = await runLine(argv, server.url);
      assert.deepEqual([code, stdout, statSync(out).mode & 0o777], [0, "", 0o600]);
      const [first, ...recipe] = stderr.trimEnd().split("\n");
      assert.match(first ?? "", /^Version 3 as raw, for the key with the fingerprint ab12\./);
      execFileSync("sh", ["-e", "-c", recipe.join("\n")], { cwd: path(".") });
      assert.deepEqual(readFileSync(path("key.bin")), MATERIAL);
    });
  }
});

describe("key public", () => {
  inFolder("prints the form that is asked for, PEM by default", async ({ path, server }) => {
    const argv = ["key", "public", "k"];
    assert.equal((await runLine(argv, server.url)).stdout, PEM);
    assert.equal((await runLine([...argv, "--form", "jwk"], server.url)).stdout, '{"kty":"RSA"}\n');
    assert.equal((await runLine([...argv, "--form", "ssh"], server.url)).stdout, "ssh-rsa AAAA\n");
    assert.deepEqual((await runLine([...argv, "--form", "der"], server.url)).bytes, DER);
    assert.equal((await runLine([...argv, "--form", "der", "-o", path("der"), "--version", "1"], server.url)).code, 0);
    assert.deepEqual(readFileSync(path("der")), DER);
    assert.equal(server.seen.at(-1)?.url, "/v1/keys/k/public-key?version=1");
    assert.equal((await runLine([...argv, "--form", "pem", "-o", path("pem")], server.url)).stdout, "");
    assert.equal(readFileSync(path("pem"), "utf8"), PEM);
  });

  inFolder("says so when the type has no such form, and keeps bytes from a terminal", async ({ server }) => {
    for (const form of ["jwk", "ssh"]) {
      const outcome = await runLine(["key", "public", "pq", "--form", form], server.url);
      assert.deepEqual([outcome.code, outcome.stdout], [2, ""]);
      assert.match(outcome.stderr, new RegExp(`has no form ${form}`));
    }
    assert.equal((await runLine(["key", "public", "k", "--form", "der"], server.url, { terminal: true })).code, 2);
  });
});

describe("key jwks", () => {
  inFolder("prints the set as the server has it", async ({ path, server }) => {
    assert.equal((await runLine(["key", "jwks", "k"], server.url)).stdout, '{"keys":[]}\n');
    await runLine(["key", "jwks", "k", "-o", path("jwks.json")], server.url);
    assert.equal(readFileSync(path("jwks.json"), "utf8"), '{"keys":[]}\n');
  });
});
