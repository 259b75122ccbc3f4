import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { KeyType, SignatureAlgorithm } from "./key-type.ts";
import { findKeyType, keyTypeNames } from "./key-types.ts";

const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(name);
const MESSAGE = Buffer.from("a message that two programs sign");
const INPUT = { kind: "message", bytes: MESSAGE } as const;
const CONTEXT = Buffer.from("a context");

// The other direction, our signatures verified by Go, is in clients/go/envelope/signatures_test.go.
test("what Go's standard library signs with our keys is verified here, in every encoding", async () => {
  const NAMES = ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"];
  const requests = [];
  const checks: ((signature: Buffer) => Promise<boolean>)[] = [];
  for (const name of NAMES) {
    const { material, publicKey } = await row(name).generate();
    const key = row(name).loadPublic?.(publicKey) ?? assert.fail();
    for (const algorithm of row(name).signatures ?? []) {
      const context = algorithm.contextLength > 0 ? CONTEXT : Buffer.alloc(0);
      for (const encoding of algorithm.encodings) {
        requests.push({
          algorithm: algorithm.name,
          encoding,
          context: context.toString("hex"),
          private_key: material.toString("hex"),
          message: MESSAGE.toString("hex"),
        });
        checks.push(async (signature) => algorithm.verify(key, INPUT, signature, { encoding, context }));
      }
    }
  }
  assert.equal(requests.length, 3 * 6 + 3 * 3 * 2 + 2);
  const program = fileURLToPath(new URL("../../../../test/vectors/go-signer.go", import.meta.url));
  const answer = execFileSync("go", ["run", program], { input: JSON.stringify(requests), encoding: "utf8" });
  const signatures = JSON.parse(answer) as string[];
  assert.equal(signatures.length, requests.length);
  for (const [index, check] of checks.entries()) {
    assert.equal(await check(Buffer.from(signatures[index] ?? "", "hex")), true, `${requests[index]?.algorithm}`);
  }
});

test("the openssl command verifies what is signed here, and the other way round, for every type that it knows", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "signatures-"));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
  const version = openssl("version").stdout.trim();
  const knownTypes = new Set<string>();
  const unknownTypes: string[] = [];
  try {
    writeFileSync(file("message"), MESSAGE);
    for (const name of keyTypeNames().filter((one) => row(one).signatures !== undefined)) {
      const { material, publicKey } = await row(name).generate();
      writeFileSync(file("key"), material);
      writeFileSync(file("public"), publicKey);
      if (openssl("pkey", "-in", "key", "-inform", "DER", "-noout").status !== 0) {
        unknownTypes.push(name);
        continue;
      }
      const privateKey = row(name).load(material);
      const key = row(name).loadPublic?.(publicKey) ?? assert.fail();
      for (const algorithm of row(name).signatures ?? []) {
        const options = optionsOf(algorithm);
        if (options === undefined) continue;
        const signed = openssl(...options, "-sign", "-inkey", "key", "-keyform", "DER", "-out", "signature");
        assert.equal(signed.status, 0, `${algorithm.name}: ${signed.stderr}`);
        // Low s is by luck there, and made sure of here.
        const theirs = readFileSync(file("signature"));
        const valid = await algorithm.verify(key, INPUT, theirs);
        assert.equal(valid || algorithm.name.endsWith("low-s"), true, algorithm.name);
        writeFileSync(file("signature"), await algorithm.sign(privateKey, INPUT));
        const verify = ["-verify", "-pubin", "-inkey", "public", "-keyform", "DER", "-sigfile", "signature"];
        const verified = openssl(...options, ...verify);
        assert.equal(verified.status, 0, `${algorithm.name}: ${verified.stdout}${verified.stderr}`);
        knownTypes.add(name);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  for (const name of ["rsa-2048", "rsa-4096", "ecdsa-p256", "ecdsa-p521", "ecdsa-secp256k1", "ed25519", "ed448"]) {
    assert.ok(knownTypes.has(name), name);
  }
  t.diagnostic(`${version} does not know: ${unknownTypes.join(", ") || "none of ours"}`);
});

/** How `openssl pkeyutl` is told the algorithm; nothing for Ed25519ph, which it learnt after version 3.0. */
function optionsOf({ name, hash }: SignatureAlgorithm): string[] | undefined {
  if (name === "ed25519ph") return undefined;
  const raw = ["pkeyutl", "-rawin", "-in", "message"];
  if (hash === undefined) return raw;
  const pss = ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"];
  return [...raw, "-digest", hash, ...(name.startsWith("rsa-pss-") ? pss : [])];
}
