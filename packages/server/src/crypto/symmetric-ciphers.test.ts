import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { collide } from "../../../../test/vectors/gcm-collision.ts";
import { encodeAdditionalData } from "./additional-data.ts";
import { parseHeader } from "./ciphertext.ts";
import type { DataCipher, OpenedVersion } from "./key-type.ts";
import { findKeyType, keyTypeNames } from "./key-types.ts";
import { SUITES } from "./suites.ts";

const NOTHING = Buffer.alloc(0);
const CONTEXT = encodeAdditionalData({ kind: "context", entries: { tenant: "a" } });
const KEY_ID = Buffer.from("00112233445566778899aabbccddeeff", "hex");

interface Case {
  readonly cipher: DataCipher;
  readonly version: OpenedVersion;
  /** Bytes that a ciphertext is longer than its plaintext. */
  readonly overhead: number;
}

/** Every cipher of every symmetric type, with a key of the type's length. */
const CASES: readonly Case[] = keyTypeNames().flatMap((name) => {
  const type = findKeyType(name);
  if (!type?.ciphers || type.loadPublic) return [];
  const key = createSecretKey(Buffer.alloc(name === "aes-128-gcm" ? 16 : 32, 5));
  const version = { keyId: KEY_ID, version: 7, key };
  return type.ciphers.map((cipher) => ({ cipher, version, overhead: shortest(cipher.suite) }));
});

function shortest(suite: number): number {
  for (let length = 0; ; length++) if (SUITES.get(suite)?.fits(length)) return length;
}

const isDecryptionFailed = (error: unknown): boolean =>
  error instanceof BunkmsError && error.code === "decryption_failed";

async function refused({ cipher, version }: Case, ciphertext: Buffer, aad: Buffer): Promise<void> {
  await assert.rejects(async () => cipher.decrypt(version, ciphertext, aad), isDecryptionFailed);
}

test("these ciphers encrypt with symmetric keys", () => {
  assert.deepEqual(
    CASES.map(({ cipher }) => cipher.name),
    [
      "aes-256",
      "xaes-256-gcm",
      "aes-256-gcm",
      "aes-128-gcm",
      "aes-256-gcm-siv",
      "aes-256-gcm-siv-deterministic",
      "chacha20-poly1305",
    ],
  );
});

test("each random-nonce cipher with a bound on messages says it, and those that need none have none", () => {
  const budgets = Object.fromEntries(CASES.map(({ cipher }) => [cipher.name, cipher.budget]));
  assert.deepEqual(budgets, {
    "aes-256": undefined,
    "xaes-256-gcm": undefined,
    "aes-256-gcm": 2 ** 32,
    "aes-128-gcm": 2 ** 32,
    "aes-256-gcm-siv": 2 ** 48,
    "aes-256-gcm-siv-deterministic": 2 ** 32,
    "chacha20-poly1305": 2 ** 32,
  });
});

for (const of of CASES) {
  const { cipher, version, overhead } = of;

  test(`${cipher.name}: what was encrypted decrypts again, with the same additional data and key only`, async () => {
    for (const length of [0, 1, 15, 16, 17, 1000, 524_288]) {
      const plaintext = Buffer.alloc(length, 9);
      const { ciphertext, nonce, data } = await cipher.encrypt(version, plaintext, CONTEXT);
      assert.equal(ciphertext.length, length + overhead);
      assert.deepEqual(parseHeader(ciphertext), { suite: cipher.suite, keyId: KEY_ID, version: 7 });
      assert.deepEqual(Buffer.concat([nonce, data]), ciphertext.subarray(-nonce.length - data.length));
      assert.deepEqual(await cipher.decrypt(version, ciphertext, CONTEXT), plaintext);
      await refused(of, ciphertext, NOTHING);
      await refused({ ...of, version: { ...version, keyId: Buffer.alloc(16) } }, ciphertext, CONTEXT);
      await refused({ ...of, version: { ...version, version: 8 } }, ciphertext, CONTEXT);
      const other = createSecretKey(Buffer.alloc(version.key.symmetricKeySize ?? 0, 6));
      await refused({ ...of, version: { ...version, key: other } }, ciphertext, CONTEXT);
    }
  });

  test(`REQ-14: every single-bit change of a ciphertext by ${cipher.name} is refused with one error [10,000 mutations]`, async (t) => {
    const failures = new Set<string>();
    let mutations = 0;
    const refusedAlike = async (ciphertext: Buffer, aad: Buffer): Promise<void> => {
      try {
        await cipher.decrypt(version, ciphertext, aad);
      } catch (error) {
        assert.ok(error instanceof BunkmsError);
        failures.add(JSON.stringify([error.name, error.code, error.message, error.cause, Object.keys(error)]));
        mutations += 1;
        return;
      }
      assert.fail("a changed ciphertext was decrypted");
    };
    // Without additional data too: OpenSSL's GCM-SIV would then have forgotten the header.
    for (const [length, aad] of [
      [0, NOTHING],
      [1, CONTEXT],
      [16, NOTHING],
      [300, CONTEXT],
      [700, NOTHING],
    ] as const) {
      const { ciphertext } = await cipher.encrypt(version, Buffer.alloc(length, 7), aad);
      for (let bit = 0; bit < ciphertext.length * 8; bit++) await refusedAlike(flipped(ciphertext, bit), aad);
      for (let bit = 0; bit < aad.length * 8; bit++) await refusedAlike(ciphertext, flipped(aad, bit));
    }
    assert.ok(mutations >= 10_000);
    assert.equal(failures.size, 1);
    t.diagnostic(`${mutations} mutations`);
  });

  test(`REQ-17: no cut or longer ciphertext by ${cipher.name} is taken`, async () => {
    const { ciphertext } = await cipher.encrypt(version, Buffer.from("some data"), NOTHING);
    for (let cut = 0; cut < ciphertext.length; cut++) await refused(of, ciphertext.subarray(0, cut), NOTHING);
    for (const tail of [1, 16, overhead]) {
      await refused(of, Buffer.concat([ciphertext, Buffer.alloc(tail)]), NOTHING);
    }
  });

  test(`REQ-19: what ${cipher.name} encrypted no other cipher decrypts, under its own name or another`, async () => {
    const { ciphertext } = await cipher.encrypt(version, Buffer.alloc(100), NOTHING);
    for (const other of CASES) {
      if (other.cipher === cipher) continue;
      await refused(other, ciphertext, NOTHING);
      const renamed = Buffer.from(ciphertext);
      renamed.writeUInt16BE(other.cipher.suite, 3);
      await refused(other, renamed, NOTHING);
    }
  });

  test(`REQ-16: ${cipher.name} draws a fresh nonce for every message, unless it is deterministic`, async () => {
    const nonces = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      nonces.add((await cipher.encrypt(version, Buffer.of(1), NOTHING)).nonce.toString("latin1"));
    }
    assert.equal(nonces.size, cipher.deterministic ? 1 : 2000);
  });
}

test("a deterministic cipher shows that plaintexts are equal under equal additional data and key version, and only that", async () => {
  const { cipher, version } = CASES.find((of) => of.cipher.deterministic) ?? assert.fail("none");
  const encrypt = async (text: string, aad: Buffer, by = version): Promise<Buffer> =>
    (await cipher.encrypt(by, Buffer.from(text), aad)).ciphertext;
  const first = await encrypt("alice@example.org", CONTEXT);
  assert.deepEqual(await encrypt("alice@example.org", CONTEXT), first);
  const others = [
    await encrypt("alice@example.net", CONTEXT),
    await encrypt("alice@example.org", NOTHING),
    await encrypt("alice@example.org", encodeAdditionalData({ kind: "raw", bytes: CONTEXT.subarray(1) })),
    await encrypt("alice@example.org", CONTEXT, { ...version, version: 8 }),
  ];
  for (const other of others) assert.notDeepEqual(other.subarray(37), first.subarray(37));
});

test("REQ-18: aes-256 alone is key-committing; the other ciphers exist for interoperability and are documented not to be", async () => {
  // One ciphertext of aes-256-gcm, crafted by who knows both keys, that is authentic under both of them.
  const { cipher, version } = CASES.find((of) => of.cipher.name === "aes-256-gcm") ?? assert.fail("none");
  const keys = [1, 2].map((fill) => createSecretKey(Buffer.alloc(32, fill)));
  const crafted = Buffer.from((await cipher.encrypt(version, Buffer.alloc(16), NOTHING)).ciphertext);
  const [one, two] = keys as [OpenedVersion["key"], OpenedVersion["key"]];
  crafted.set(collide([one, two], crafted.subarray(25, 37), crafted.subarray(0, 25)), 37);
  for (const key of keys) assert.equal((await cipher.decrypt({ ...version, key }, crafted, NOTHING)).length, 16);
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
