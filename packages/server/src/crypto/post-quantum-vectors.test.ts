import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { readAcvp } from "../../../../test/vectors/acvp.ts";
import { hex, readWycheproof, type WycheproofCase } from "../../../../test/vectors/wycheproof.ts";
import type { GeneratedKey, KeyType, SignatureAlgorithm } from "./key-type.ts";
import { findKeyType } from "./key-types.ts";

const row = (name: string): KeyType => findKeyType(name) ?? assert.fail(name);
const only = (name: string): SignatureAlgorithm => row(name).signatures?.[0] ?? assert.fail(name);
const message = (text: string) => ({ kind: "message", bytes: hex(text) }) as const;

interface Group {
  readonly publicKey: string | null;
  readonly publicKeyDer?: string;
  readonly privateSeed?: string;
  readonly privateKey?: string;
  readonly tests: readonly (WycheproofCase & { readonly msg?: string; readonly ctx?: string; readonly sig: string })[];
}

for (const [set, total, offered] of [
  ["44", 180, 175],
  ["65", 210, 205],
  ["87", 241, 236],
] as const) {
  test(`REQ-13: every signature of Wycheproof's mldsa_${set}_verify_test is judged rightly`, async (t) => {
    const name = `ml-dsa-${set}`;
    const file = readWycheproof<Group>(`mldsa_${set}_verify_test.json`);
    assert.equal(file.numberOfTests, total);
    let ran = 0;
    let tooLong = 0;
    for (const { publicKey, publicKeyDer, tests } of file.testGroups) {
      for (const { msg = "", ctx = "", sig, result, flags, tcId } of tests) {
        // Whoever calls a row has refused such a context; `node:crypto` would throw at it.
        if (flags.includes("InvalidContext")) {
          assert.ok(hex(ctx).length > only(name).contextLength);
          tooLong += 1;
          continue;
        }
        const key = readPublic(name, publicKeyDer, publicKey ?? "");
        const valid =
          key !== undefined && (await only(name).verify(key, message(msg), hex(sig), { context: hex(ctx) }));
        assert.equal(valid, result === "valid", `case ${tcId}`);
        ran += 1;
      }
    }
    assert.equal(ran + tooLong, total);
    assert.equal(ran, offered);
    t.diagnostic(`${ran} cases, ${tooLong} with a context that no algorithm takes`);
  });
}

function readPublic(name: string, der: string | undefined, raw: string): KeyObject | undefined {
  try {
    if (der !== undefined) return row(name).loadPublic?.(hex(der));
    return createPublicKey({ key: hex(raw), format: "raw-public", asymmetricKeyType: name as "ml-dsa-44" });
  } catch {
    return undefined;
  }
}

// Signing with the randomness of the vectors is not offered, so that their signatures are verified, and ours beside them.
for (const [set, total, offered] of [
  ["44", 86, 77],
  ["65", 105, 87],
  ["87", 96, 78],
] as const) {
  test(`REQ-13: the keys of Wycheproof's mldsa_${set}_sign_seed_test come of their seeds, and sign`, async (t) => {
    const name = `ml-dsa-${set}`;
    const file = readWycheproof<Group>(`mldsa_${set}_sign_seed_test.json`);
    assert.equal(file.numberOfTests, total);
    let ran = 0;
    let notOffered = 0;
    for (const { privateSeed = "", publicKey, tests } of file.testGroups) {
      for (const { msg, ctx = "", sig, flags, tcId } of tests) {
        if (flags.includes("IncorrectPrivateKeyLength")) {
          assert.throws(() => row(name).accept("raw", hex(privateSeed)), isInvalidMaterial);
          ran += 1;
          continue;
        }
        // Signing of µ, the message's representative, is not offered (FIPS 204 section 6.2); nor are long contexts.
        if (msg === undefined || flags.includes("InvalidContext")) {
          notOffered += 1;
          continue;
        }
        const generated = row(name).accept("raw", hex(privateSeed));
        const { key, ownKey } = opened(name, generated);
        assert.equal(ownKey.export({ format: "raw-public" }).toString("hex"), publicKey);
        const options = { context: hex(ctx) };
        assert.ok(await only(name).verify(ownKey, message(msg), hex(sig), options), `case ${tcId}`);
        const ours = await only(name).sign(key, message(msg), options);
        assert.ok(await only(name).verify(ownKey, message(msg), ours, options), `case ${tcId}, ours`);
        ran += 1;
      }
    }
    assert.equal(ran + notOffered, total);
    assert.equal(ran, offered);
    t.diagnostic(`${ran} cases, ${notOffered} of parameters that are not offered`);
  });

  test(`REQ-13: every private key of Wycheproof's mldsa_${set}_sign_noseed_test is refused: it has no seed`, () => {
    const name = `ml-dsa-${set}`;
    const file = readWycheproof<Group>(`mldsa_${set}_sign_noseed_test.json`);
    const { material } = row(name).accept("raw", Buffer.alloc(32, 1));
    let known = 0;
    for (const { privateKey = "", tests } of file.testGroups) {
      const bytes = hex(privateKey);
      const expanded = der(0x30, material.subarray(2, 18), der(0x04, der(0x04, bytes)));
      assert.throws(() => row(name).accept("pkcs8", expanded), isInvalidMaterial);
      assert.throws(() => row(name).accept("raw", bytes), isInvalidMaterial);
      // So that it is the missing seed that these are refused for, and not our way of writing them.
      const isKey = tests.some(({ result }) => result === "valid");
      if (isKey && sign(null, Buffer.alloc(1), createPrivateKey({ key: expanded, format: "der", type: "pkcs8" }))) {
        assert.throws(() => row(name).accept("pkcs8", expanded), /is imported with its seed/);
        known += 1;
      }
    }
    assert.ok(known > 10);
  });
}

interface PrivateKeys {
  readonly parameterSet: string;
  readonly tests: readonly { readonly tcId: number; readonly sk: string; readonly pk: string }[];
}
interface Signatures {
  readonly parameterSet: string;
  readonly signatureInterface: string;
  readonly preHash?: string;
  readonly tests: readonly {
    readonly tcId: number;
    readonly pk: string;
    readonly message: string;
    readonly context?: string;
    readonly signature: string;
  }[];
}
interface Judgements {
  readonly tests: readonly { readonly tcId: number; readonly testPassed: boolean }[];
}

test("REQ-13: every private key of ACVP's SLH-DSA keyGen is imported, and has the public key it must have", (t) => {
  const prompts = readAcvp<{ parameterSet: string }>("sign/slhdsa/testdata/keyGen_prompt.json.gz").testGroups;
  const results = readAcvp<PrivateKeys>("sign/slhdsa/testdata/keyGen_results.json.gz").testGroups;
  let ran = 0;
  for (const [index, { parameterSet }] of prompts.entries()) {
    const name = parameterSet.toLowerCase();
    // Import makes each key's root anew, which takes 0.05 s for the small sets: all of the fast ones, two of the others.
    const tests = results[index]?.tests ?? assert.fail();
    for (const { sk, pk, tcId } of name.endsWith("f") ? tests : tests.slice(0, 2)) {
      const { ownKey } = opened(name, row(name).accept("raw", hex(sk)));
      assert.deepEqual(ownKey.export({ format: "raw-public" }), hex(pk), `case ${tcId}`);
      ran += 1;
    }
  }
  assert.equal(ran, 6 * 10 + 6 * 2);
  t.diagnostic(`${ran} keys of ${results.flatMap(({ tests }) => tests).length}`);
});

test("REQ-13: every signature of ACVP's SLH-DSA sigVer that is pure and external is judged rightly", async (t) => {
  const prompts = readAcvp<Signatures>("sign/slhdsa/testdata/verify_prompt.json.gz").testGroups;
  const results = readAcvp<Judgements>("sign/slhdsa/testdata/verify_results.json.gz").testGroups;
  const passed = new Map(results.flatMap(({ tests }) => tests.map(({ tcId, testPassed }) => [tcId, testPassed])));
  const ran = new Map<string, number>();
  let valid = 0;
  let notOffered = 0;
  for (const { parameterSet, signatureInterface, preHash, tests } of prompts) {
    if (signatureInterface !== "external" || preHash !== "pure") {
      notOffered += tests.length;
      continue;
    }
    const name = parameterSet.toLowerCase();
    for (const { pk, message: text, context = "", signature, tcId } of tests) {
      const key = createPublicKey({
        key: hex(pk),
        format: "raw-public",
        asymmetricKeyType: name as "slh-dsa-sha2-128s",
      });
      const verdict = await only(name).verify(key, message(text), hex(signature), { context: hex(context) });
      assert.equal(verdict, passed.get(tcId), `case ${tcId}`);
      ran.set(name, (ran.get(name) ?? 0) + 1);
      if (verdict) valid += 1;
    }
  }
  assert.equal(ran.size, 12);
  assert.deepEqual(new Set(ran.values()), new Set([14]));
  assert.ok(valid > 12);
  t.diagnostic(
    `168 cases, ${valid} of them valid; ${notOffered} of the internal and pre-hashed interfaces, not offered`,
  );
});

function opened(name: string, { material, publicKey }: GeneratedKey): { key: KeyObject; ownKey: KeyObject } {
  return { key: row(name).load(material), ownKey: row(name).loadPublic?.(publicKey) ?? assert.fail() };
}

function isInvalidMaterial(error: unknown): boolean {
  return error instanceof BunkmsError && error.code === "invalid_key_material";
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag, 0x82, content.length >> 8, content.length & 0xff), content]);
}
