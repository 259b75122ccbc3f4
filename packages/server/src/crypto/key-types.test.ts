import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import type { KeyType, SignatureInput } from "./key-type.ts";
import { findKeyType, forgetKey, keyTypeNames } from "./key-types.ts";

const row = (name: string): KeyType => findKeyType(name) as KeyType;
const isCode = (code: string) => (error: unknown) => error instanceof BunkmsError && error.code === code;

const SIGNING = keyTypeNames().filter((name) => row(name).signatures !== undefined);
interface Keys {
  readonly material: Buffer;
  readonly spki: Buffer;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}
const made = new Map<string, Keys>();
for (const name of SIGNING) {
  const { material, publicKey } = await row(name).generate();
  const loaded = row(name).loadPublic?.(publicKey) ?? assert.fail();
  made.set(name, { material, spki: publicKey, privateKey: row(name).load(material), publicKey: loaded });
}
const RSA = ["pss", "pkcs1"].flatMap((padding) =>
  ["sha256", "sha384", "sha512"].map((hash) => `rsa-${padding}-${hash}`),
);
const ofTheirOwnName = (...names: string[]) => Object.fromEntries(names.map((name) => [name, [name]]));
const keysOf = (name: string) => made.get(name) as Keys;

test("the default type is aes-256, and these types sign, each with its default algorithm first", () => {
  assert.equal(keyTypeNames()[0], "aes-256");
  assert.deepEqual(
    Object.fromEntries(SIGNING.map((name) => [name, row(name).signatures?.map((algorithm) => algorithm.name)])),
    {
      "rsa-2048": RSA,
      "rsa-3072": RSA,
      "rsa-4096": RSA,
      "ecdsa-p256": ["ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"],
      "ecdsa-p384": ["ecdsa-sha384", "ecdsa-sha256", "ecdsa-sha512"],
      "ecdsa-p521": ["ecdsa-sha512", "ecdsa-sha256", "ecdsa-sha384"],
      "ecdsa-secp256k1": ["ecdsa-sha256", "ecdsa-sha256-low-s"],
      ed25519: ["ed25519", "ed25519ph"],
      ed448: ["ed448"],
      ...ofTheirOwnName("ml-dsa-44", "ml-dsa-65", "ml-dsa-87"),
      "ml-dsa-65-ed25519": ["ml-dsa-65-ed25519-sha512"],
      ...ofTheirOwnName("slh-dsa-sha2-128s", "slh-dsa-sha2-128f", "slh-dsa-sha2-192s"),
      ...ofTheirOwnName("slh-dsa-sha2-192f", "slh-dsa-sha2-256s", "slh-dsa-sha2-256f"),
      ...ofTheirOwnName("slh-dsa-shake-128s", "slh-dsa-shake-128f", "slh-dsa-shake-192s"),
      ...ofTheirOwnName("slh-dsa-shake-192f", "slh-dsa-shake-256s", "slh-dsa-shake-256f"),
    },
  );
});

test("a key for signing is made for nothing else, RSA apart, and one way of signing has one form of signature", () => {
  for (const name of SIGNING) {
    assert.equal(row(name).purposes[0], "sign");
    for (const { encodings } of row(name).signatures ?? []) {
      assert.deepEqual(encodings, name.startsWith("ecdsa") ? ["der", "p1363"] : ["raw"]);
    }
  }
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

const BYTES = Buffer.from("a message");
const MESSAGE: SignatureInput = { kind: "message", bytes: BYTES };
const OTHER: SignatureInput = { kind: "message", bytes: Buffer.of(1) };
const LENGTHS = { sha224: 28, sha256: 32, sha384: 48, sha512: 64 };

for (const name of SIGNING) {
  const { privateKey, publicKey } = keysOf(name);
  for (const algorithm of row(name).signatures ?? []) {
    const { hash } = algorithm;
    const inputs = hash === undefined ? [MESSAGE] : [MESSAGE, digestBy(hash)];
    // Signatures of the small sets of SLH-DSA take a second each.
    const alike = name.endsWith("s") ? "" : ", the same for a message as for its digest where it has one";
    test(`${name} signs and verifies with ${algorithm.name}, in each encoding${alike}`, async () => {
      for (const encoding of algorithm.encodings) {
        for (const signed of inputs) {
          const signature = await algorithm.sign(privateKey, signed, { encoding });
          const isValid = (input: SignatureInput, bytes: Buffer) =>
            algorithm.verify(publicKey, input, bytes, { encoding });
          for (const input of inputs) assert.equal(await isValid(input, signature), true);
          assert.equal(await isValid(OTHER, signature), false);
          for (const wrong of [
            Buffer.alloc(0),
            Buffer.alloc(1),
            Buffer.alloc(signature.length),
            Buffer.alloc(signature.length, 0xff),
            signature.subarray(1),
            signature.subarray(0, -1),
            Buffer.concat([signature, Buffer.alloc(1)]),
          ]) {
            for (const input of inputs) assert.equal(await isValid(input, wrong), false);
          }
          for (const other of algorithm.encodings.filter((one) => one !== encoding)) {
            assert.equal(await algorithm.verify(publicKey, MESSAGE, signature, { encoding: other }), false);
          }
        }
      }
    });

    if (hash === undefined) {
      test(`${name} signs no digest with ${algorithm.name}, of whatever length`, async () => {
        for (const length of [0, 32, 64]) {
          const digest = { kind: "digest", bytes: Buffer.alloc(length) } as const;
          await assert.rejects(async () => algorithm.sign(privateKey, digest), isCode("wrong_key_usage"));
          await assert.rejects(
            async () => algorithm.verify(publicKey, digest, Buffer.alloc(1)),
            isCode("wrong_key_usage"),
          );
        }
      });
      continue;
    }
    test(`${name} refuses with ${algorithm.name} a digest that is not as long as the hash`, async () => {
      for (const length of [0, 20, 32, 48, 64, 1000].filter((other) => other !== LENGTHS[hash])) {
        const digest = { kind: "digest", bytes: Buffer.alloc(length) } as const;
        await assert.rejects(async () => algorithm.sign(privateKey, digest), isCode("invalid_digest_length"));
        await assert.rejects(
          async () => algorithm.verify(publicKey, digest, Buffer.alloc(1)),
          isCode("invalid_digest_length"),
        );
      }
    });
  }
}

test("REQ-19: a signature is valid in its own context only", async () => {
  const contexts = [undefined, Buffer.of(0), Buffer.alloc(255, 7)].map((context) => (context ? { context } : {}));
  let algorithms = 0;
  for (const name of SIGNING) {
    for (const algorithm of row(name).signatures ?? []) {
      if (algorithm.contextLength === 0) continue;
      const { privateKey, publicKey } = keysOf(name);
      // One signature is enough of those that take long.
      for (const signed of name.endsWith("s") ? contexts.slice(-1) : contexts) {
        const signature = await algorithm.sign(privateKey, MESSAGE, signed);
        for (const asked of contexts) {
          assert.equal(await algorithm.verify(publicKey, MESSAGE, signature, asked), asked === signed, name);
        }
      }
      algorithms += 1;
    }
  }
  assert.equal(algorithms, 1 + 1 + 3 + 1 + 12);
});

test("no context is the empty context", async () => {
  const context = Buffer.alloc(0);
  for (const [name, index] of [
    ["ed25519", 1],
    ["ed448", 0],
    ["ml-dsa-44", 0],
    ["slh-dsa-sha2-128f", 0],
  ] as const) {
    const algorithm = row(name).signatures?.[index] ?? assert.fail();
    const { privateKey, publicKey } = keysOf(name);
    assert.ok(await algorithm.verify(publicKey, MESSAGE, await algorithm.sign(privateKey, MESSAGE), { context }));
    assert.ok(await algorithm.verify(publicKey, MESSAGE, await algorithm.sign(privateKey, MESSAGE, { context })));
  }
});

test("REQ-19: an algorithm serves no key of another family or curve, nor a public key for signing", async () => {
  const input = MESSAGE;
  let refused = 0;
  for (const name of SIGNING) {
    const own = new Set(row(name).signatures);
    for (const algorithm of new Set(SIGNING.flatMap((other) => row(other).signatures ?? []))) {
      if (own.has(algorithm)) continue;
      const { privateKey, publicKey } = keysOf(name);
      await assert.rejects(async () => algorithm.sign(privateKey, input), isCode("wrong_key_usage"));
      await assert.rejects(async () => algorithm.verify(publicKey, input, Buffer.alloc(1)), isCode("wrong_key_usage"));
      refused += 1;
    }
    for (const algorithm of own) {
      await assert.rejects(async () => algorithm.sign(keysOf(name).publicKey, input), isCode("wrong_key_usage"));
      await assert.rejects(
        async () => algorithm.verify(keysOf(name).privateKey, input, Buffer.alloc(1)),
        isCode("wrong_key_usage"),
      );
    }
  }
  // 25 types and 36 algorithms, less those that each type has.
  assert.equal(refused, 25 * 36 - (3 * 6 + 3 * 3 + 2 + 2 + 1 + 3 + 1 + 12));
});

test("REQ-19: a signature by one algorithm is not valid by another of the same key", async () => {
  for (const name of ["rsa-2048", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"]) {
    const { privateKey, publicKey } = keysOf(name);
    for (const signer of row(name).signatures ?? []) {
      const signature = await signer.sign(privateKey, MESSAGE);
      for (const verifier of row(name).signatures ?? []) {
        assert.equal(await verifier.verify(publicKey, MESSAGE, signature), verifier === signer, signer.name);
      }
    }
  }
});

test("REQ-19: a type loads material of its own kind and size only, private and public", () => {
  const others = [
    generateKeyPairSync("rsa-pss", { modulusLength: 2048 }),
    generateKeyPairSync("rsa", { modulusLength: 1024 }),
    generateKeyPairSync("ec", { namedCurve: "brainpoolP256r1" }),
    generateKeyPairSync("x25519"),
    generateKeyPairSync("ml-kem-768"),
  ];
  const materials = SIGNING.map((name) => keysOf(name).material);
  materials.push(...others.map(({ privateKey }) => privateKey.export({ format: "der", type: "pkcs8" })));
  const spkis = SIGNING.map((name) => keysOf(name).spki);
  spkis.push(...others.map(({ publicKey }) => publicKey.export({ format: "der", type: "spki" })));
  const strangers = [Buffer.alloc(32), Buffer.alloc(0)];
  for (const name of SIGNING) {
    const { material, spki } = keysOf(name);
    const loaded = [...materials, ...strangers].filter((other) => succeeds(() => row(name).load(other)));
    assert.deepEqual(loaded, [material], name);
    const loadedPublic = [...spkis, ...strangers].filter((other) => succeeds(() => row(name).loadPublic?.(other)));
    assert.deepEqual(loadedPublic, [spki], name);
  }
  assert.deepEqual(
    [...materials, ...strangers].filter((other) => succeeds(() => row("aes-256").load(other))),
    strangers.slice(0, 1),
  );
});

for (const [name, count] of [
  ["rsa-4096", 40],
  ["ecdsa-p521", 40],
  ["ml-dsa-87", 100],
  ["slh-dsa-sha2-128s", 1],
] as const) {
  test(`signing messages with ${name} does not hold up the event loop`, async () => {
    const algorithm = row(name).signatures?.[0] ?? assert.fail();
    const { privateKey } = keysOf(name);
    await someTurns(() => Promise.all(Array.from({ length: count }, () => algorithm.sign(privateKey, MESSAGE))));
  });
}

for (const name of ["rsa-4096", "ecdsa-p521"]) {
  test(`signing and verifying digests with ${name} does not hold up the event loop`, async () => {
    const algorithm = row(name).signatures?.[0] ?? assert.fail();
    const { privateKey, publicKey } = keysOf(name);
    const digest = digestBy(algorithm.hash ?? "");
    const signature = await algorithm.sign(privateKey, digest);
    const many = <T>(work: () => T) => Promise.all(Array.from({ length: 40 }, work));
    await someTurns(() => many(() => algorithm.sign(privateKey, digest)));
    await someTurns(() => many(() => algorithm.verify(publicKey, digest, signature)));
  });
}

test("signing a message of 512 KiB does not hold up the event loop, however fast the key is", async () => {
  const input = { kind: "message", bytes: Buffer.alloc(512 * 1024) } as const;
  const algorithm = row("ed25519").signatures?.[0] ?? assert.fail();
  const { privateKey, publicKey } = keysOf("ed25519");
  await someTurns(async () => algorithm.sign(privateKey, input));
  assert.ok(await algorithm.verify(publicKey, input, await algorithm.sign(privateKey, input)));
});

/** Were the work done on this thread, all would be over in a turn or two. A busy machine may make it so now and then. */
async function someTurns(work: () => Promise<unknown>): Promise<void> {
  let most = 0;
  for (let i = 0; i < 20 && most <= 5; i++) most = Math.max(most, await turnsUntil(work()));
  assert.ok(most > 5);
}

async function turnsUntil(work: Promise<unknown>): Promise<number> {
  let working = true;
  const settled = work.finally(() => {
    working = false;
  });
  let turns = 0;
  while (working) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    turns += 1;
  }
  await settled;
  return turns;
}

function digestBy(hash: string): SignatureInput {
  return { kind: "digest", bytes: createHash(hash).update(BYTES).digest() };
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
