import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import type { KeyType } from "./key-type.ts";
import { findKeyType, forgetKey, keyTypeNames } from "./key-types.ts";

const row = (name: string): KeyType => findKeyType(name) as KeyType;
const isCode = (code: string) => (error: unknown) => error instanceof BunkmsError && error.code === code;

const SIGNING = keyTypeNames().filter((name) => row(name).signatures !== undefined);
const made = new Map<string, { material: Buffer; privateKey: KeyObject; publicKey: KeyObject }>();
for (const name of SIGNING) {
  const { material, publicKey } = await row(name).generate();
  made.set(name, {
    material,
    privateKey: row(name).load(material),
    publicKey: createPublicKey({ key: publicKey, format: "der", type: "spki" }),
  });
}
const keysOf = (name: string) => made.get(name) as { material: Buffer; privateKey: KeyObject; publicKey: KeyObject };

test("the table offers these types, the default first", () => {
  assert.deepEqual(keyTypeNames(), ["aes-256", "rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"]);
});

test("REQ-38: a name that is no type finds nothing, prototype names included", () => {
  for (const name of ["", "AES-256", "aes-256 ", "__proto__", "constructor", "toString", "hasOwnProperty", "size"]) {
    assert.equal(findKeyType(name), undefined);
  }
});

test("an aes-256 key is 32 fresh bytes and encrypts", async () => {
  const { material, publicKey } = await row("aes-256").generate();
  assert.equal(material.length, 32);
  assert.equal(publicKey.length, 0);
  assert.notDeepEqual((await row("aes-256").generate()).material, material);
  const key = row("aes-256").load(material);
  material.fill(0);
  assert.notDeepEqual(key.export(), material);
  const version = { keyId: Buffer.alloc(16, 1), version: 1, key };
  const encrypted = await row("aes-256").ciphers?.[0]?.encrypt(version, Buffer.from("x"), Buffer.alloc(0));
  assert.ok(encrypted);
  forgetKey(version.keyId);
  assert.equal(
    (await row("aes-256").ciphers?.[0]?.decrypt(version, encrypted.ciphertext, Buffer.alloc(0)))?.toString(),
    "x",
  );
  assert.equal(row("aes-256").signatures, undefined);
});

test("the first algorithm of a type is its default", () => {
  assert.deepEqual(
    SIGNING.map((name) => row(name).signatures?.[0]?.name),
    ["rsa-pss-sha256", "rsa-pss-sha256", "rsa-pss-sha256", "ecdsa-sha256", "ecdsa-sha384"],
  );
});

for (const name of SIGNING) {
  const { privateKey, publicKey } = keysOf(name);
  for (const algorithm of row(name).signatures ?? []) {
    test(`${name} signs and verifies with ${algorithm.name}, message and digest alike`, async () => {
      const bytes = Buffer.from("a message");
      const message = { kind: "message", bytes } as const;
      const digest = {
        kind: "digest",
        bytes: createHash(algorithm.hash ?? "")
          .update(bytes)
          .digest(),
      } as const;
      for (const signed of [message, digest]) {
        const signature = await algorithm.sign(privateKey, signed);
        assert.equal(await algorithm.verify(publicKey, message, signature), true);
        assert.equal(await algorithm.verify(publicKey, digest, signature), true);
        assert.equal(await algorithm.verify(publicKey, { kind: "message", bytes: Buffer.of(1) }, signature), false);
        assert.equal(await algorithm.verify(publicKey, message, Buffer.alloc(0)), false);
        assert.equal(await algorithm.verify(publicKey, digest, Buffer.alloc(signature.length)), false);
      }
    });

    test(`${name} refuses with ${algorithm.name} a digest that is not as long as the hash`, async () => {
      const right = { sha224: 28, sha256: 32, sha384: 48, sha512: 64 }[algorithm.hash ?? "sha256"];
      for (const length of [0, 20, 32, 48, 64, 1000].filter((other) => other !== right)) {
        const digest = { kind: "digest", bytes: Buffer.alloc(length) } as const;
        await assert.rejects(algorithm.sign(privateKey, digest), isCode("invalid_digest_length"));
        await assert.rejects(algorithm.verify(publicKey, digest, Buffer.alloc(1)), isCode("invalid_digest_length"));
      }
    });
  }
}

test("REQ-19: an algorithm serves no key of another family or curve, nor a public key for signing", async () => {
  const input = { kind: "message", bytes: Buffer.of(1) } as const;
  let refused = 0;
  for (const name of SIGNING) {
    const own = new Set(row(name).signatures);
    for (const algorithm of new Set(SIGNING.flatMap((other) => row(other).signatures ?? []))) {
      if (own.has(algorithm)) continue;
      const { privateKey, publicKey } = keysOf(name);
      await assert.rejects(algorithm.sign(privateKey, input), isCode("wrong_key_usage"));
      await assert.rejects(algorithm.verify(publicKey, input, Buffer.alloc(1)), isCode("wrong_key_usage"));
      refused += 1;
    }
    for (const algorithm of own) {
      await assert.rejects(algorithm.sign(keysOf(name).publicKey, input), isCode("wrong_key_usage"));
      await assert.rejects(
        algorithm.verify(keysOf(name).privateKey, input, Buffer.alloc(1)),
        isCode("wrong_key_usage"),
      );
    }
  }
  assert.equal(refused, 3 * 2 + 2 * 7);
});

test("REQ-19: a signature by one algorithm is not valid by another of the same key", async () => {
  const { privateKey, publicKey } = keysOf("rsa-2048");
  const input = { kind: "message", bytes: Buffer.from("a message") } as const;
  for (const signer of row("rsa-2048").signatures ?? []) {
    const signature = await signer.sign(privateKey, input);
    for (const verifier of row("rsa-2048").signatures ?? []) {
      assert.equal(await verifier.verify(publicKey, input, signature), verifier === signer);
    }
  }
});

test("REQ-19: a type loads material of its own kind and size only", () => {
  const pssOnly = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
  const materials = [...SIGNING.map((name) => keysOf(name).material), Buffer.alloc(32), Buffer.alloc(0)];
  materials.push(pssOnly.privateKey.export({ format: "der", type: "pkcs8" }));
  for (const name of keyTypeNames()) {
    const loaded = materials.filter((material) => {
      try {
        return row(name).load(material);
      } catch {
        return false;
      }
    });
    assert.equal(loaded.length, 1, name);
  }
});

test("signing with large RSA keys does not hold up the event loop", async () => {
  const algorithm = row("rsa-4096").signatures?.[0];
  assert.ok(algorithm);
  const { privateKey } = keysOf("rsa-4096");
  let signing = true;
  const signatures = Array.from({ length: 40 }, () =>
    algorithm.sign(privateKey, { kind: "message", bytes: Buffer.of(1) }),
  );
  const settled = Promise.all(signatures).then(() => {
    signing = false;
  });
  let turns = 0;
  while (signing) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    turns += 1;
  }
  await settled;
  // Were they signed on this thread, everything would be over in a turn or two.
  assert.ok(turns > 5);
});
